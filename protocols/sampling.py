"""How many charts a chart audit draws (`sampling.yaml`, which is the only place of the numbers)."""

from __future__ import annotations

import math
from fractions import Fraction
from functools import cache
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocols.data_files import packaged, read_model
from protocols.model import Listed, Tier

FILE = "sampling.yaml"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Step(_Part):
    """From `at_least` charts on: so many, such a share of them, or all."""

    at_least: int = Field(ge=0)
    size: int | None = Field(default=None, gt=0)
    share: float | None = Field(default=None, gt=0, le=1)

    def of(self, population: int) -> int:
        """How many of so many charts."""
        if self.share is not None:
            return math.ceil(Fraction(str(self.share)) * population)
        return population if self.size is None else min(self.size, population)


class SampleSizes(_Part):
    """The steps, least first, and who says so."""

    citation: str
    where: str
    tier: Tier
    status: Literal["seen", "recalled"]
    note: str
    steps: Listed[Step] = Field(min_length=1)

    @model_validator(mode="after")
    def _in_order(self) -> SampleSizes:
        starts = [step.at_least for step in self.steps]
        if starts[0] != 0 or starts != sorted(set(starts)):
            raise ValueError("steps begin at 0, and each begins above the one before it")
        return self

    def of(self, population: int) -> int:
        """How many charts to draw of a month that has so many."""
        return next(
            step.of(population) for step in reversed(self.steps) if step.at_least <= population
        )


@cache
def sample_sizes() -> SampleSizes:
    """The sizes that are shipped."""
    return read_model(SampleSizes, FILE, packaged(FILE))
