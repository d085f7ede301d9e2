"""Outcome scales as data: range, items, scoring, bands, response, remission, reliable change.

`instruments.yaml` holds one definition of each fact, with its tier and source; this model is its
only schema. `protocols.scoring` scores by it, `flows.metrics` reads courses by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from math import sqrt
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator

from protocols.data_files import packaged, read_model
from protocols.durations import Duration
from protocols.model import Listed, Tier

FILE = "instruments.yaml"
Numbers = Annotated[tuple[float, ...], Strict(False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Source(_Part):
    """A named document; `seen` when its value was read there, else `recalled`."""

    citation: str
    tier: Literal["T1", "T2", "T3"]
    status: Literal["seen", "recalled"]
    where: str | None = None


class Fact(_Part):
    """What every fact has: a tier, and a source unless it is a house reading (T4)."""

    tier: Tier
    source: str | None = None
    note: str | None = None

    @model_validator(mode="after")
    def _sourced(self) -> Fact:
        if (self.tier == "T4") != (self.source is None):
            raise ValueError("T1 to T3 name a source; T4, a house reading, names none")
        return self


class Range(Fact):
    """The totals that can be."""

    least: float
    most: float


class Items(Fact):
    """How many items, and what each may score; `most` is one number for all, or one for each."""

    count: int = Field(ge=1, le=40)
    least: float
    most: float | Numbers | None = None
    missing_codes: Numbers = ()
    unscored: int = 0

    def most_of(self, item: int) -> float | None:
        """The highest score of an item, counted from 1."""
        return self.most[item - 1] if isinstance(self.most, tuple) else self.most


class Level(_Part):
    """A level of a triage: reached when any of the items is above its least score."""

    level: str
    any_of: Listed[int]


class Scoring(Fact):
    """How items become a total."""

    by: Literal["sum", "mean", "domains", "triage", "charted"]
    prorate: int = 0
    tolerance: float = 0
    domains: Listed[Listed[int]] = ()
    either: Listed[Listed[int]] = ()
    levels: Listed[Level] = ()
    needed: Listed[int] = ()

    @model_validator(mode="after")
    def _whole(self) -> Scoring:
        if (self.by == "domains") != bool(self.domains) or (self.by == "triage") != bool(
            self.levels
        ):
            raise ValueError("`domains` needs its domains and `triage` its levels, others neither")
        return self


class Band(_Part):
    """Totals of one name, ends included; some differ by sex."""

    name: str
    least: float
    most: float
    sex: Literal["F", "M"] | None = None


class Bands(Fact):
    """Severity by total."""

    of: Listed[Band]


class Response(Fact):
    """The fall from baseline, as a share of it, that is a response."""

    fall: float = Field(gt=0, le=1)


class Cut(Fact):
    """The last total that is a remission."""

    cut: float


class Remission(Cut):
    """The cut, and those that other sources took."""

    others: Listed[Cut] = ()


class ReliableChange(Fact):
    """More change than the scale's error explains: by points that a publication gives (that many
    or more), or by `courses.reliable_change` from a standard deviation and a reliability."""

    points: float | None = None
    sd: float | None = None
    reliability: float | None = None

    @model_validator(mode="after")
    def _one_way(self) -> ReliableChange:
        both = self.sd is not None and self.reliability is not None
        if both == (self.points is not None):
            raise ValueError("give `points`, or `sd` and `reliability`")
        return self

    def beyond(self, criterion: float) -> float | None:
        """A change must be greater than this, where it is computed."""
        if self.sd is None or self.reliability is None:
            return None
        return criterion * difference_error(self.sd, self.reliability)


class Points(Fact):
    """A change in points."""

    points: float


class Minimum(Fact):
    """The least total."""

    least: float


class Suicidality(Fact):
    """An item that, scored so high, is a positive screen of this level."""

    item: int
    least: float
    level: str


class Instrument(_Part):
    """One scale; an instrument whose versions are different scales stands here once for each."""

    instrument: str
    instrument_version: str | None = None
    title: str
    better: Literal["lower", "higher"] = "lower"
    range: Range
    items: Items | None = None
    scoring: Scoring
    bands: Bands | None = None
    response: Response | None = None
    remission: Remission | None = None
    reliable_change: ReliableChange | None = None
    meaningful_change: Points | None = None
    baseline_minimum: Minimum | None = None
    suicidality: Suicidality | None = None

    @property
    def key(self) -> str:
        """The instrument, with its version where that makes it another scale."""
        return " ".join(filter(None, (self.instrument, self.instrument_version)))

    @model_validator(mode="after")
    def _coherent(self) -> Instrument:
        if (self.items is None) != (self.scoring.by == "charted"):
            raise ValueError("a scale has `items`, unless only its charted total counts")
        if self.better == "higher" and (self.response or self.remission):
            raise ValueError("response and remission are of scales where lower is better")
        if self.items is not None:
            _check_items(self.items, self.scoring)
        if self.bands is not None:
            _check_bands(self.bands.of, self.range)
        return self

    def band(self, total: float, sex: str | None = None) -> str | None:
        """The name of a total's severity; null where the scale has none, or none for the sex."""
        held = self.bands.of if self.bands else ()
        names = [band.name for band in held if band.sex in (None, sex) and band.least <= total]
        return names[-1] if names else None

    def facts(self) -> Mapping[str, Fact]:
        """Every fact by its name in the file."""
        return {
            name: value
            for name in type(self).model_fields
            if isinstance(value := getattr(self, name), Fact)
        }


def _check_items(items: Items, scoring: Scoring) -> None:
    if isinstance(items.most, tuple) and len(items.most) != items.count:
        raise ValueError("`most` has one number for all items, or one for each")
    named = [item for domain in scoring.domains for item in domain]
    if named and sorted(named) != list(range(1, items.count + 1)):
        raise ValueError("each item stands in one domain")
    if scoring.prorate and scoring.by != "sum":
        raise ValueError("only a sum is prorated")


def _check_bands(bands: tuple[Band, ...], held: Range) -> None:
    """Of each sex, bands go from the least total to the highest without a gap."""
    for sex in {band.sex for band in bands}:
        mine = [band for band in bands if band.sex == sex]
        ends = [held.least - 1, *(band.most for band in mine)]
        starts = [*(band.least for band in mine), held.most + 1]
        if any(start != end + 1 for start, end in zip(starts, ends, strict=True)):
            raise ValueError("bands go from the least total to the highest without a gap")


class Baseline(Fact):
    """How long before a course's first start a score may be its baseline."""

    within: Duration


class Relapse(Fact):
    """After a response: a fall from baseline below this share of it."""

    fall_below: float = Field(gt=0, lt=1)


class Landmark(Fact):
    """How many local days after a response courses are compared by what they had until then."""

    days: int


class Psychotherapy(Fact):
    """Kinds of contacts, and how many make the difference."""

    kinds: Listed[str]
    at_least: int


class FollowUp(Fact):
    """How soon someone must be in touch after a positive screen, by its level."""

    within: dict[str, Duration]


class ReliableRule(Fact):
    """Which formula tells reliable change, and how many standard errors it takes."""

    formula: Literal["Jacobson-Truax 1991, classical"]
    criterion: float


class CourseRules(_Part):
    """How a course of treatment is read from its scores."""

    baseline: Baseline
    reliable_change: ReliableRule
    relapse: Relapse
    landmark: Landmark
    psychotherapy: Psychotherapy
    suicidality: FollowUp


class Instruments(_Part):
    """Every scale, and how courses are read."""

    sources: dict[str, Source]
    instruments: Listed[Instrument]
    courses: CourseRules

    @model_validator(mode="after")
    def _coherent(self) -> Instruments:
        keys = [scale.key for scale in self.instruments]
        if len(set(keys)) < len(keys):
            raise ValueError("a scale stands here twice")
        for where, fact in self.facts().items():
            held = self.sources.get(fact.source) if fact.source else None
            if fact.source and (held is None or held.tier != fact.tier):
                raise ValueError(f"{where}: no source {fact.source} of that tier stands here")
        return self

    def facts(self) -> dict[str, Fact]:
        """Every fact by where it stands."""
        found = {
            f"{scale.key} {name}": fact
            for scale in self.instruments
            for name, fact in scale.facts().items()
        }
        for scale in self.instruments:
            for at, cut in enumerate(scale.remission.others if scale.remission else ()):
                found[f"{scale.key} remission {at + 2}"] = cut
        return found | {f"courses {name}": fact for name, fact in self.courses}


def difference_error(sd: float, reliability: float) -> float:
    """Standard error of the difference of two scores: Sdiff = sqrt(2 * (SD * sqrt(1 - r))^2)."""
    return sqrt(2 * (sd * sqrt(1 - reliability)) ** 2)


def reliable_change_index(before: float, after: float, sd: float, reliability: float) -> float:
    """Jacobson and Truax (1991): the change in standard errors of a difference."""
    return (after - before) / difference_error(sd, reliability)


@cache
def instruments() -> Instruments:
    """The scales that Keel knows."""
    return read_instruments(packaged(FILE))


def read_instruments(text: str) -> Instruments:
    """Scales from their YAML text; ProtocolError says where it is wrong."""
    return read_model(Instruments, FILE, text)
