"""Signals of abuse and diversion as data: thresholds, points, what each can't know.

`risk.yaml` holds one definition of each, with its tier and source; this model is its only schema.
`flows.metrics` observes and scores by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache, cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocols.costs import Route
from protocols.data_files import packaged, read_model
from protocols.durations import Duration
from protocols.instruments import Fact, Source, instruments
from protocols.model import Day, Listed

FILE = "risk.yaml"
About = Literal["patient", "lot", "clinic", "staff", "prescriber"]
RESTRICTED: frozenset[About] = frozenset({"staff", "prescriber"})
"""Subjects whose flags are shown in `restricted/` alone."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Level(_Part):
    """Scores of one name, from the least on."""

    level: str
    score_least: int = Field(ge=0)


class Levels(Fact):
    """Levels by score, from the lowest to the highest."""

    of: Listed[Level]

    @model_validator(mode="after")
    def _rising(self) -> Levels:
        least = [level.score_least for level in self.of]
        if not least or least[0] != 0 or least != sorted(set(least)):
            raise ValueError("levels begin at 0 and rise")
        return self


class MissingAlone(Fact):
    """The most that a signal may weigh which missing data alone can make."""

    points_most: int = Field(gt=0)


class RouteShare(Fact):
    """The share of a milligram that reaches the blood by a route."""

    route: Route
    share: float = Field(gt=0, le=1)


class Forms(Fact):
    """How each form of a take-home supply is taken."""

    routes: dict[str, Route]


class Exposure(_Part):
    """How milligrams of several routes are added up."""

    routes: Listed[RouteShare]
    forms: Forms

    @property
    def shares(self) -> Mapping[str, float]:
        """Route to the share of a milligram that reaches the blood."""
        return {route.route: route.share for route in self.routes}

    @property
    def form_shares(self) -> Mapping[str, float]:
        """The same by form of a take-home supply."""
        return {form: self.shares[route] for form, route in self.forms.routes.items()}


class ScaleBand(_Part):
    """A band of a scale in `instruments.yaml`; where bands differ by sex, `sex_unknown` says whose
    holds for those of another or an unknown one."""

    instrument: str
    name: str
    sex_unknown: Literal["F", "M"] | None = None

    def least(self, sex: str | None = None) -> float:
        """The least total that lies in the band."""
        bands = next(s.bands for s in instruments().instruments if s.key == self.instrument)
        named = [band for band in (bands.of if bands else ()) if band.name == self.name]
        mine = [band for band in named if band.sex in (None, sex)]
        mine = mine or [band for band in named if band.sex == self.sex_unknown]
        return min(band.least for band in mine)


class Holidays(Fact):
    """Weekdays on which no business is done, by year."""

    years: Listed[Listed[Day]]

    @property
    def days(self) -> tuple[date, ...]:
        """All of them."""
        return tuple(day for year in self.years for day in year)


class Signal(Fact):
    """One reason to look at a subject more closely; `observed` names what is measured, with its
    unit, and `at_least` flags it, ends included."""

    id: str = Field(pattern=r"[a-z0-9]+(-[a-z0-9]+)*")
    title: str
    about: About
    exact: bool
    missing_alone: bool
    points: int = Field(gt=0)
    observed: str = Field(pattern=r"[a-z0-9]+(_[a-z0-9]+)*")
    at_least: float | None = Field(None, gt=0)
    band: ScaleBand | None = None
    window: Duration | None = None
    parameters: dict[str, float] = Field(default_factory=dict)
    kinds: Listed[str] = ()
    cannot_know: str
    misleads: str

    @property
    def restricted(self) -> bool:
        """Whether its flags are shown in `restricted/` alone."""
        return self.about in RESTRICTED


PersonColumn = Literal[
    "given_name", "family_name", "birth_date", "sex", "postal_code", "phone"
]  # fmt: skip


class Chance(_Part):
    """How often two records agree so where they are one person's (m), and where they are not (u);
    alike from a Jaro-Winkler `similarity` on, or up to so many typing `errors`."""

    m: float = Field(gt=0, lt=1)
    u: float = Field(gt=0, lt=1)
    similarity: float | None = Field(None, gt=0, lt=1)
    errors: int | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _tells(self) -> Chance:
        if self.m <= self.u:
            raise ValueError("an agreement speaks for one person: `m` is above `u`")
        return self


class Compared(_Part):
    """One column of two patient records."""

    column: PersonColumn
    same: Chance
    alike: Chance | None = None

    @property
    def chances(self) -> tuple[Chance, ...]:
        """From the closest agreement on."""
        return (self.same, self.alike) if self.alike else (self.same,)

    @model_validator(mode="after")
    def _whole(self) -> Compared:
        if any(sum(getattr(c, name) for c in self.chances) >= 1 for name in ("m", "u")):
            raise ValueError(f"{self.column}: chances of one column add up to less than 1")
        if self.alike and (self.alike.similarity is None) == (self.alike.errors is None):
            raise ValueError(f"{self.column}: alike by `similarity`, or by `errors`")
        return self


class People(Fact):
    """Which patient records are one person's."""

    keys: Listed[Listed[PersonColumn]]
    prior: float = Field(gt=0, lt=1)
    threshold: float = Field(gt=0, lt=1)
    blocks: Listed[Listed[PersonColumn]]
    block_most: int = Field(ge=2)
    needed: Listed[PersonColumn]
    compared: Listed[Compared]


class Risk(_Part):
    """Everything that the file holds."""

    sources: dict[str, Source]
    levels: Levels
    missing_alone: MissingAlone
    exposure: Exposure
    holidays: Holidays
    signals: Listed[Signal]
    people: People

    @model_validator(mode="after")
    def _coherent(self) -> Risk:
        if len(self.by_id) < len(self.signals):
            raise ValueError("a signal stands here twice")
        for where, fact in self.facts().items():
            held = self.sources.get(fact.source) if fact.source else None
            if fact.source and (held is None or held.tier != fact.tier):
                raise ValueError(f"{where}: no source {fact.source} of that tier stands here")
        for signal in self.signals:
            if signal.missing_alone and signal.points > self.missing_alone.points_most:
                raise ValueError(f"{signal.id}: missing data alone weighs no more than "
                                 f"{self.missing_alone.points_most}")  # fmt: skip
        return self

    def facts(self) -> Mapping[str, Fact]:
        """Every fact by where it stands."""
        return (
            {
                "levels": self.levels,
                "missing_alone": self.missing_alone,
                "people": self.people,
                "holidays": self.holidays,
            }
            | {f"exposure {route.route}": route for route in self.exposure.routes}
            | {"exposure forms": self.exposure.forms}
            | dict(self.by_id)
        )

    @cached_property
    def by_id(self) -> Mapping[str, Signal]:
        """Signals by their name."""
        return {signal.id: signal for signal in self.signals}


@cache
def risk() -> Risk:
    """The signals as Keel knows them."""
    return read_risk(packaged(FILE))


def read_risk(text: str) -> Risk:
    """Signals from their YAML text; ProtocolError says where it is wrong."""
    return read_model(Risk, FILE, text)
