"""Which patients a bucket holds: those of some clinics, or a part of one large clinic's, so that
what rules link by clinic is looked at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from flows.sources import quoted
from flows.warehouse import Warehouse

BUCKET_SUBJECTS = 25_000
# Metrics look at few columns of a row, and each of their buckets reads the facts once.
METRICS_HOLD = 3  # times as many


@dataclass(frozen=True)
class Share:
    """All patients of `clinics`, or of all `others`; of several `parts` of one clinic's, only this
    `part`."""

    clinics: tuple[str, ...]
    part: int = 0
    parts: int = 1
    others: bool = False

    @property
    def of_clinics(self) -> str:
        """SQL: whether a row `f` is of one of the clinics."""
        listed = ", ".join(map(quoted, self.clinics))
        if self.others:
            return f"f.clinic_id NOT IN ({listed})" if listed else "true"
        return f"f.clinic_id IN ({listed})" if listed else "false"

    @property
    def of_patients(self) -> str:
        """SQL: whether a row `f` is of one of the patients."""
        if self.parts == 1:
            return self.of_clinics
        return f"{self.of_clinics} AND hash(f.clinic_id, f.patient_id) % {self.parts} = {self.part}"


EVERYBODY = Share((), others=True)


def shares(warehouse: Warehouse, among: str | None = None) -> list[Share]:
    """What each bucket holds, of all patients or of those in the table `among` (clinic_id,
    patient_id)."""
    return _packed(_subjects(warehouse, among), BUCKET_SUBJECTS)


def portions(warehouse: Warehouse, among: str | None = None) -> tuple[Share, ...]:
    """What each bucket of metrics holds: every clinic is in one, also where nothing is judged."""
    found = _packed(_subjects(warehouse, among), METRICS_HOLD * BUCKET_SUBJECTS)
    if found[-1].parts == 1:
        found.pop()
    named = dict.fromkeys(clinic_id for share in found for clinic_id in share.clinics)
    return (*found, Share(tuple(named), others=True))


def whole_clinics(found: Sequence[Share]) -> list[Share]:
    """The same with each clinic in one."""
    return [replace(share, parts=1) for share in found if share.part == 0]


def _counted(among: str | None) -> str:
    """SELECT of how many rows each clinic has to judge by feed; four outcomes weigh one session."""
    return " UNION ALL ".join(
        f"SELECT clinic_id, '{feed}' AS feed, count(*) // {weight} AS subjects FROM facts.{feed} f "
        f"WHERE {wanted(among)} GROUP BY ALL"
        for feed, weight in (("sessions", 1), ("dispenses", 1), ("outcomes", 4))
    )


def _subjects(warehouse: Warehouse, among: str | None) -> list[tuple[str, int]]:
    rows = warehouse.db.execute(
        f"SELECT clinic_id, max(subjects) FROM ({_counted(among)}) GROUP BY ALL ORDER BY 1"
    ).fetchall()
    return [(str(clinic_id), int(subjects)) for clinic_id, subjects in rows]


def _packed(clinics: Sequence[tuple[str, int]], most: int) -> list[Share]:
    found: list[Share] = []
    together: list[str] = []
    held = 0
    for clinic_id, subjects in clinics:
        parts = -(-subjects // most)
        if parts > 1:
            found += [Share((clinic_id,), part, parts) for part in range(parts)]
            continue
        if together and held + subjects > most:
            found.append(Share(tuple(together)))
            together, held = [], 0
        together.append(clinic_id)
        held += subjects
    return [*found, Share(tuple(together))] if together or not found else found


def place_sessions(warehouse: Warehouse, planned: Sequence[Share], among: str | None) -> None:
    """`placed_sessions`: the number of the bucket that each session's patient is in."""
    cases = " ".join(f"WHEN {one.of_patients} THEN {number}" for number, one in enumerate(planned))
    warehouse.db.execute(
        "CREATE OR REPLACE TEMP TABLE placed_sessions AS "
        f"SELECT clinic_id, session_id, CASE {cases} END AS bucket "
        f"FROM facts.sessions f WHERE {wanted(among)}"
    )


def wanted(among: str | None) -> str:
    """SQL: whether the patient of a row `f` is wanted."""
    if among is None:
        return "true"
    return f"(f.clinic_id, f.patient_id) IN (SELECT clinic_id, patient_id FROM {among})"
