"""A protocol as data: what it judges, its measures, its rules and where they come from.

One pydantic model is the only schema. `examples` are worked examples: each gives a judged row, rows
of feeds, and the verdicts that follow; `keel` holds every protocol of the library to its own.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    field_validator,
    model_validator,
)  # fmt: skip

from protocols.durations import Duration, Window, parse_length

Severity = Literal["critical", "major", "minor"]
Tier = Literal["T1", "T2", "T3", "T4"]
Status = Literal["met", "not_met", "not_evaluable", "pending", "excluded"]
Missing = Literal["not_met", "not_evaluable", "met", "excluded"]
Link = Literal["session", "patient", "clinic"]
Judges = Literal["sessions", "dispenses", "outcomes"]
Feed = Literal[
    "vitals", "doses", "outcomes", "screenings", "contacts", "dispenses", "events", "sessions",
    "shifts", "medications", "charges",
]  # fmt: skip
Scalar = str | bool | int | float
_Item = TypeVar("_Item")
Listed = Annotated[tuple[_Item, ...], Strict(False)]

LINKS: dict[str, Link] = {"vitals": "session", "doses": "session", "events": "session",
                          "shifts": "clinic"}  # fmt: skip


def _day(value: Any) -> Any:
    """A date in quotes is one too."""
    if isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\d", value):
        return date.fromisoformat(value)
    return value


Day = Annotated[date, BeforeValidator(_day)]


class _Part(BaseModel):
    """Strict: a number in quotes is text, true is no number; names are those of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Citation(_Part):
    """Where a rule comes from. T1 law, label or REMS; T2 guideline; T3 trial.

    `recalled`: from knowledge of the named document, not read: to be confirmed.
    """

    citation: str
    tier: Literal["T1", "T2", "T3"]
    confidence: Literal["seen", "recalled"] = "seen"


class Linked(_Part):
    """Rows of a feed that belong to a judged row, in a window, for which `among` is true."""

    of: Feed
    window: Window | None = None
    among: str | None = None
    link: Link | None = None

    @property
    def by(self) -> Link:
        """How the feed's rows are linked to a judged row."""
        return self.link or LINKS.get(self.of, "patient")


class Measure(Linked):
    """One value per judged row, taken from a feed's rows."""

    take: Literal["first", "last", "min", "max", "sum", "count"]
    expr: str | None = None

    @model_validator(mode="after")
    def _has_expr(self) -> Measure:
        if (self.expr is None) != (self.take == "count"):
            raise ValueError("`expr` is what is taken; only `count` goes without")
        return self


class RuleBase(_Part):
    """What every rule has."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_-]*$")
    title: str
    severity: Severity
    tier: Tier
    source: str | None = None
    target: float | None = Field(default=None, ge=0, le=1)
    when: str | None = None
    missing: Missing | None = None
    note: str | None = None


class ValueRule(RuleBase):
    """A value within bounds, in a list, or equal to one."""

    kind: Literal["value"]
    expr: str
    min: float | None = None
    max: float | None = None
    in_: Listed[Scalar] | None = Field(default=None, alias="in")
    is_: Scalar | None = Field(default=None, alias="is")

    @model_validator(mode="after")
    def _has_limit(self) -> ValueRule:
        ways = [self.min is not None or self.max is not None, self.in_ is not None,
                self.is_ is not None]  # fmt: skip
        if sum(ways) != 1:
            raise ValueError("a value needs `min` or `max`, or `in`, or `is`")
        return self


class ElapsedRule(RuleBase):
    """The time from one moment to another."""

    kind: Literal["elapsed"]
    from_: str = Field(alias="from")
    to: str
    min: Duration | None = None
    max: Duration | None = None
    grace: Duration = Field(default_factory=lambda: parse_length("7cd"))

    @model_validator(mode="after")
    def _has_limit(self) -> ElapsedRule:
        if self.min is None and self.max is None:
            raise ValueError("elapsed needs `min` or `max`")
        return self


class OccurrenceRule(RuleBase, Linked):
    """How many rows of a feed pass a test."""

    kind: Literal["occurrence"]
    where: str | None = None
    pick: Literal["any", "first", "last"] = "any"
    at_least: int | None = Field(default=None, ge=0)
    at_most: int | None = Field(default=None, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _default_at_least(cls, data: Any) -> Any:
        if isinstance(data, dict) and data.get("at_least") is None and data.get("at_most") is None:
            return {**data, "at_least": 1}
        return data


class CadenceRule(RuleBase, Linked):
    """Rows of a feed that follow one another closely enough."""

    kind: Literal["cadence"]
    window: Window
    every: Duration
    tolerance: Duration = Field(default_factory=lambda: parse_length("0s"))
    ends: Literal["both", "start", "end", "none"] = "both"

    @field_validator("window")
    @classmethod
    def _closed(cls, window: Any) -> Any:
        if window.start is None or window.end is None:
            raise ValueError("cadence needs both ends of its window")
        return window

    @field_validator("every", "tolerance")
    @classmethod
    def _exact(cls, value: Any) -> Any:
        if value.calendar_days is not None:
            raise ValueError("cadence counts exact time: s, m, h or d")
        return value


class RateRule(RuleBase):
    """How often something may happen to a patient within a time."""

    kind: Literal["rate"]
    within: Duration
    at_most: int = Field(ge=1)
    across: Literal["protocol", "patient"] = "protocol"


class ChangeRule(RuleBase):
    """A value against that of the course's previous session."""

    kind: Literal["change"]
    expr: str
    max_increase: float | None = None
    max_decrease: float | None = None
    max_increase_pct: float | None = None
    max_decrease_pct: float | None = None

    @model_validator(mode="after")
    def _has_limit(self) -> ChangeRule:
        limits = (self.max_increase, self.max_decrease, self.max_increase_pct,
                  self.max_decrease_pct)  # fmt: skip
        if all(limit is None for limit in limits):
            raise ValueError("change needs a max_increase, max_decrease or one in per cent")
        return self


class Trigger(Linked):
    """Rows that ask for an answer."""

    where: str | None = None


class Then(_Part):
    """Rows that answer, each within a time after its trigger."""

    of: Feed
    where: str | None = None
    within: Duration
    link: Link | None = None

    @property
    def by(self) -> Link:
        """How the feed's rows are linked to a judged row."""
        return self.link or LINKS.get(self.of, "patient")


class ResponseRule(RuleBase):
    """Each trigger row is answered in time."""

    kind: Literal["response"]
    trigger: Trigger
    then: Then


Rule = Annotated[
    ValueRule | ElapsedRule | OccurrenceRule | CadenceRule | RateRule | ChangeRule | ResponseRule,
    Field(discriminator="kind"),
]


class Effective(_Part):
    """Local dates on which a version is in force, both included; no `to` = open."""

    from_: Day = Field(alias="from")
    to: Day | None = None


class Course(_Part):
    """A start more than `gap` after the previous one opens a new course."""

    gap: Duration = Field(default_factory=lambda: parse_length("60d"))

    @field_validator("gap")
    @classmethod
    def _exact(cls, value: Any) -> Any:
        if value.calendar_days is not None:
            raise ValueError("the gap of a course is exact time, for example 60d")
        return value


class Primary(_Part):
    """Which outcome makes a protocol's cohorts: the one nearest to a course's `day` (its first is
    day 1), at most `within` days off. `remission`, where the protocol takes another cut than
    `instruments.yaml`."""

    instrument: str
    day: int
    within: int
    remission: float | None = None


class Example(_Part):
    """A worked example: `row` and `feeds` are written as exports would be, `expect` maps rules to
    statuses; one that is `like` an earlier example says only what differs. The clinic lies in
    UTC, and all was delivered long after."""

    title: str
    like: str | None = None
    row: dict[str, Any]
    patient: dict[str, Any] = Field(default_factory=dict)
    feeds: dict[str, list[dict[str, Any]]] = Field(default_factory=dict)
    expect: dict[str, Status]


COMPUTED = ("sha256", "text")
"""What Keel says of a protocol's file, and no file says of itself."""


class Protocol(_Part):
    """One version of a protocol."""

    protocol: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    version: str = Field(pattern=r"^\d+\.\d+\.\d+$")
    title: str
    effective: Effective
    in_force_by: Literal["session", "course"] = "session"
    approved_by: str | None = None
    approved_on: Day | None = None
    change_note: str | None = None
    judges: Judges = "sessions"
    drug: str | None = None
    programs: Listed[str] | None = None
    clinics: Listed[str] | None = None
    population: str | None = None
    course: Course = Field(default_factory=Course)
    primary: Primary | None = None
    sources: dict[str, Citation] = Field(default_factory=dict)
    measures: dict[str, Measure] = Field(default_factory=dict)
    rules: Listed[Rule] = Field(min_length=1)
    examples: Listed[Example] = ()
    sha256: str = ""
    text: str = Field(default="", exclude=True, repr=False)

    def __hash__(self) -> int:
        """Few fields say which it is; what is remembered of a protocol is looked up by it."""
        return hash((self.key, self.sha256))

    def always(self) -> Protocol:
        """The same version as if it were in force on every day."""
        return self.model_copy(update={"effective": Effective.model_validate({"from": date.min})})

    @property
    def key(self) -> str:
        """`id@version`."""
        return f"{self.protocol}@{self.version}"
