"""Planted truth: what was done wrong, each time with the rules that must notice it and how.

Names of protocols and rules are plain data here. Each session carries at most one plant of
`breaches`; what was planted on a patient, a day or a score comes besides, and is of other rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from flows.demo.people import Care
from flows.demo.programs import EMERGENCY, ESKETAMINE, IV, KAP, MDSI, TAKE_HOME
from flows.demo.tables import Column, shown_id, size

Picked = NDArray[np.int64]

NOT_MET, NOT_EVALUABLE = "not_met", "not_evaluable"
# Which protocol judges a programme.
JUDGED_BY = {
    IV: "iv-ketamine-depression", ESKETAMINE: "esketamine-trd", MDSI: "esketamine-mdsi",
    KAP: "ketamine-assisted-psychotherapy", EMERGENCY: "emergency-ketamine",
    TAKE_HOME: "take-home-ketamine", "im_ketamine": "im-ketamine", "sc_ketamine": "sc-ketamine",
    "ptsd": "ketamine-ptsd", "bipolar": "ketamine-bipolar-depression",
    "anxiety_ocd": "ketamine-anxiety-ocd", "alcohol_use": "ketamine-alcohol-use",
    "chronic_pain": "ketamine-chronic-pain",
}  # fmt: skip
# Protocols of no drug, which judge no session that was stopped.
REPEATED, SITE = "repeated-use", "staff-and-site"
OF_ANY_DRUG = (REPEATED, SITE)


@dataclass
class Truth:
    """One line of truth.csv."""

    kind: str
    clinic_id: str
    feed: str
    subject_kind: str = ""
    subject_id: str = ""
    rule_id: str = ""
    status: str = ""
    file: str = ""
    row_number: str = ""
    reason: str = ""
    protocol: str = ""
    other_id: str = ""


@dataclass(frozen=True)
class Plant:
    """What is done to some sessions, and which rules it breaks, or hides from being judged: names
    parted by blanks, of the programme's protocol or `protocol/rule`. Of the plants that change a
    `dose` a patient has at most one, for the next session is compared with it. `where` says which
    sessions it can be."""

    reason: str
    change: Callable[[Care, Picked], None]
    breaks: str = ""
    hides: str = ""
    where: Callable[[Planting], Column] | None = None
    dose: bool = False

    @property
    def says(self) -> dict[str, str]:
        """What each rule must say."""
        return dict.fromkeys(self.breaks.split(), NOT_MET) | dict.fromkeys(
            self.hides.split(), NOT_EVALUABLE
        )


@dataclass
class Planting:
    """Truth so far, sessions that nothing was done to yet, and rows to spoil on writing."""

    care: Care
    free: Picked = field(default_factory=lambda: np.array([], dtype=np.int64))
    truth: list[Truth] = field(default_factory=list)
    spoiled: list[tuple[str, int, str, str, str]] = field(default_factory=list)
    another_dose: set[int] = field(default_factory=set)

    def take(
        self, count: int, program: str = IV, where: Column | None = None, *, dose: bool = False
    ) -> Picked:
        """So many sessions (positions) of a programme, each of another patient, that carry no
        plant yet."""
        sessions = self.care.tables["sessions"]
        fits = self._of(program)
        if where is not None:
            fits &= where[self.free]
        candidates = self.free[fits]
        patients = sessions["patient"][candidates]
        if dose:
            other = ~np.isin(patients, list(self.another_dose))
            candidates, patients = candidates[other], patients[other]
        _, first = np.unique(patients, return_index=True)
        taken = candidates[np.sort(first)[:count]]
        self.drop(taken)
        if dose:
            self.another_dose |= set(sessions["patient"][taken].tolist())
        return np.sort(taken)

    def drop(self, sessions: Column) -> None:
        """Plant nothing more on these."""
        self.free = self.free[~np.isin(self.free, sessions)]

    def room(self, program: str) -> int:
        """How many sessions of a programme carry no plant yet."""
        return int(self._of(program).sum())

    def _of(self, program: str) -> Column:
        return np.asarray(self.care.tables["sessions"]["program"][self.free] == program)

    def breach(
        self, picked: Column, reason: str, says: dict[str, str], feed: str = "sessions"
    ) -> None:
        """Write down what the rules must say of each of these rows; a rule's name with no protocol
        before it is of the one that judges the session's programme."""
        table = self.care.tables[feed]
        kind = feed.removesuffix("s")
        for at in np.asarray(picked).tolist():
            for name, status in says.items():
                protocol, _, rule = name.rpartition("/")
                if protocol in OF_ANY_DRUG and table["status"][at] != "completed":
                    continue
                self.note(
                    "breach", feed, kind, f"{kind}_id", int(table[f"{kind}_id"][at]), rule, status,
                    reason=reason, protocol=protocol or JUDGED_BY[str(table["program"][at])],
                )  # fmt: skip

    def note(
        self, kind: str, feed: str, subject_kind: str, id_column: str, number: int,
        rule_id: str, status: str, *, reason: str, protocol: str = "",
    ) -> None:  # fmt: skip
        """Write down one planted truth about a subject."""
        clinic = self.care.clinic
        subject = shown_id(clinic, id_column, number)
        self.truth.append(
            Truth(kind, clinic.clinic_id, feed, subject_kind, subject, rule_id, status,
                  reason=reason, protocol=protocol)
        )  # fmt: skip

    def shown(self, column: str, number: int) -> str:
        """An id as the clinic writes it."""
        return shown_id(self.care.clinic, column, number)

    def sow(self, program: str, plants: Iterable[Plant], counts: Iterable[int]) -> None:
        """Each plant on so many sessions of a programme, while there are any."""
        for plant, count in zip(plants, counts, strict=True):
            where = plant.where(self) if plant.where else None
            picked = self.take(count, program, where, dose=plant.dose)
            if len(picked):
                plant.change(self.care, picked)
                self.breach(picked, plant.reason, plant.says)


def given(care: Care) -> Column:
    """Which sessions took place, with a dose."""
    return np.asarray(~np.isnat(care.tables["sessions"]["started_at"]))


def neighbours(care: Care) -> tuple[Column, Column]:
    """Of each session the patient's one before and after, by position; -1 is none."""
    sessions = care.tables["sessions"]
    held = np.flatnonzero(given(care))
    order = held[np.lexsort((sessions["started_at"][held], sessions["patient"][held]))]
    same = sessions["patient"][order][1:] == sessions["patient"][order][:-1]
    before, after = np.full(size(sessions), -1), np.full(size(sessions), -1)
    before[order[1:][same]] = order[:-1][same]
    after[order[:-1][same]] = order[1:][same]
    return before, after


def readings(care: Care, picked: Column, *numbers: int) -> Picked:
    """Some readings of these sessions."""
    found: Picked = (care.first_reading[picked][:, None] + np.array(numbers)).ravel()
    return found


def leave_out(care: Care, feed: str, gone: Column) -> None:
    """Mark rows that were never charted; the writer leaves them out."""
    table = care.tables[feed]
    table.setdefault("left_out", np.zeros(size(table), dtype=bool))
    table["left_out"][gone] = True
