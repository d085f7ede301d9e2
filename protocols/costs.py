"""Costing and billing as data: what costs something, how charges are read, what codes agree with.

`costs.yaml` holds one definition of each fact, with its tier and source; this model is its only
schema. `flows.metrics` costs and checks by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from checks.contract import contract
from protocols.data_files import packaged, read_model
from protocols.instruments import Fact, Source
from protocols.model import Day, Listed

FILE = "costs.yaml"
Route = Literal["IV", "IM", "SC", "IN", "SL", "PO"]
Acquisition = Literal["clinic_stock", "buy_and_bill", "specialty_pharmacy", "sample"]
ChargeStatus = Literal["pending", "paid", "denied", "self_pay", "written_off"]
ASPECTS = (
    "in_force", "units_mg_of", "dose", "infusion", "routes", "without", "not_acquired",
)  # fmt: skip


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Drugs(Fact):
    """The rate of a milligram of each drug that costs something."""

    rates: dict[str, str]


class Free(Fact):
    """Acquisitions that cost the clinic nothing."""

    acquisitions: Listed[Acquisition]


class Staff(Fact):
    """Roles whose time a session takes."""

    roles: Listed[str]


class Answers(Fact):
    """Statuses of a charge in which its payer has decided, and what each means."""

    decided: Listed[ChargeStatus]
    denied: ChargeStatus
    paid: ChargeStatus
    pending: ChargeStatus


class Within(Fact):
    """At most so many days."""

    days: int = Field(gt=0)


class Month(Fact):
    """Days of a month."""

    days: float = Field(gt=0)


class Costing(_Part):
    """How a session is costed and its charges are read."""

    drugs: Drugs
    free: Free
    staff: Staff
    answers: Answers
    bill: Within
    month: Month


class InForce(_Part):
    """Days on which a code may be billed, both included."""

    from_: Day | None = Field(None, alias="from")
    to: Day | None = None


class Dose(_Part):
    """Milligrams of a drug."""

    drug: str
    above: float
    at_most: float | None = None


class Minutes(_Part):
    """Minutes, the end included."""

    at_least: float


class CodeCheck(Fact):
    """What a charge of one of the codes must agree with: one of ASPECTS."""

    id: str
    title: str
    codes: Listed[str]
    confirmed_on: Day | None = None
    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    in_force: InForce | None = None
    units_mg_of: str | None = None
    dose: Dose | None = None
    infusion: Minutes | None = None
    routes: Listed[Route] = ()
    without: Listed[str] = ()
    not_acquired: Listed[Acquisition] = ()

    @model_validator(mode="after")
    def _one(self) -> CodeCheck:
        if sum(bool(getattr(self, name)) for name in ASPECTS) != 1:
            raise ValueError(f"a check is of one thing: {', '.join(ASPECTS)}")
        return self

    @property
    def aspect(self) -> str:
        """Which of ASPECTS it is of."""
        return next(name for name in ASPECTS if getattr(self, name))


class Costs(_Part):
    """Everything that the file holds."""

    sources: dict[str, Source]
    costing: Costing
    checks: Listed[CodeCheck]

    @model_validator(mode="after")
    def _coherent(self) -> Costs:
        ids = [check.id for check in self.checks]
        if len(set(ids)) < len(ids):
            raise ValueError("a check stands here twice")
        for where, fact in self.facts().items():
            held = self.sources.get(fact.source) if fact.source else None
            if fact.source and (held is None or held.tier != fact.tier):
                raise ValueError(f"{where}: no source {fact.source} of that tier stands here")
        for check in self.checks:
            seen = check.source is not None and self.sources[check.source].status == "seen"
            if seen != (check.confirmed_on is not None):
                raise ValueError(f"{check.id}: `confirmed_on` goes with a source that was seen")
        known = contract("rates").column("resource").closed or ()
        for resource in self.resources:
            if resource not in known:
                raise ValueError(f"{resource} is no resource of the feed rates")
        return self

    def facts(self) -> Mapping[str, Fact]:
        """Every fact by where it stands."""
        return dict(self.costing) | {c.id: c for c in self.checks}

    @property
    def resources(self) -> tuple[str, ...]:
        """Resources of the feed rates that a session may need."""
        staff = [name for role in self.costing.staff.roles for name in (hour(role), minutes(role))]
        return (*self.costing.drugs.rates.values(), *staff,
                "room_hour", "supplies_session", "overhead_session")  # fmt: skip


def hour(role: str) -> str:
    """The resource that says what an hour of the role costs."""
    return f"{role}_hour"


def minutes(role: str) -> str:
    """The resource that says how many minutes of the role a session takes."""
    return f"{role}_minutes_session"


@cache
def costs() -> Costs:
    """Costing and code checks as Keel knows them."""
    return read_costs(packaged(FILE))


def read_costs(text: str) -> Costs:
    """Costing and code checks from their YAML text; ProtocolError says where it is wrong."""
    return read_model(Costs, FILE, text)
