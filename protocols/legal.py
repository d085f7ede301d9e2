"""Dated legal facts that rules rest on (`legal.yaml`), with the day each was last confirmed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from checks.strict_yaml import YamlProblem, parse
from protocols.errors import ProtocolError
from protocols.model import Day, Listed

NAME = "protocols/legal.yaml"


class LegalFact(BaseModel):
    """What the law, a label or a payer says from one day to another, both included."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    says: str
    citation: str
    url: str | None = None
    from_: Day | None = Field(default=None, alias="from")
    to: Day | None = None
    status: Literal["confirmed", "unconfirmed"]
    confirmed_on: Day | None = None
    note: str | None = None
    values: Listed[float] = ()
    rules: Listed[str] = ()

    @model_validator(mode="after")
    def _is_whole(self) -> LegalFact:
        if (self.status == "confirmed") != (self.confirmed_on is not None):
            raise ValueError("`confirmed_on` is the day on which a confirmed fact was confirmed")
        if self.from_ is not None and self.to is not None and self.to < self.from_:
            raise ValueError("`to` is before `from`")
        return self

    @property
    def dates(self) -> tuple[date, ...]:
        """The days on which it begins to hold and holds for the last time."""
        return tuple(day for day in (self.from_, self.to) if day is not None)


class _LegalFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    facts: Listed[LegalFact]


@cache
def legal_facts() -> tuple[LegalFact, ...]:
    """Every legal fact that is shipped. Raises ProtocolError when the file is wrong."""
    return parsed_facts((files("protocols") / "legal.yaml").read_text(encoding="utf-8"))


def parsed_facts(text: str) -> tuple[LegalFact, ...]:
    """The facts of a file's text. Raises ProtocolError, with the line, when it is wrong."""
    try:
        document = parse(text)
        facts = _LegalFile.model_validate(document.data).facts
    except YamlProblem as problem:
        raise ProtocolError(f"{NAME}, {problem}.") from None
    except ValidationError as error:
        problems = error.errors()
        unknown = [one for one in problems if one["type"] == "extra_forbidden"]
        first = (unknown or problems)[0]
        line = document.line(tuple(first["loc"]))
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        said = first["msg"].removeprefix("Value error, ")
        raise ProtocolError(f"{NAME}, line {line}: {where}: {said}.") from None
    ids = [fact.id for fact in facts]
    for at, name in enumerate(ids):
        if name in ids[:at]:
            line = document.line(("facts", at, "id"))
            raise ProtocolError(f"{NAME}, line {line}: the fact {name} stands here twice.")
    return facts


def coming(
    facts: Sequence[LegalFact], today: date, days: int
) -> Iterator[tuple[LegalFact, date, Literal["begins", "ends"]]]:
    """Facts that begin or end within so many days from today."""
    for fact in facts:
        if fact.from_ is not None and 0 <= (fact.from_ - today).days <= days:
            yield fact, fact.from_, "begins"
        if fact.to is not None and 0 <= (fact.to - today).days <= days:
            yield fact, fact.to, "ends"
