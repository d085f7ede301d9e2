"""What is wrong with a delivery's rows: by column and reason, with row numbers, never a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from checks.contract import Contract
from checks.quarantine import reason_words


@dataclass(frozen=True)
class Fault:
    """One reason and the rows it holds for: `rows` of them, of which `row_numbers` are the first
    (data rows from 1). Rows at fault are quarantined or, with a warning, loaded all the same."""

    severity: Literal["quarantine", "warn"]
    column: str
    code: str
    words: str
    rows: int
    row_numbers: tuple[int, ...]

    @classmethod
    def of_problem(
        cls, problem: str, rows: int, row_numbers: Iterable[int], held: Contract
    ) -> Fault:
        """From a row's problem ("column: code"), which is what quarantines it."""
        column, _, code = problem.partition(": ")
        words = reason_words(problem, held)
        return cls("quarantine", column, code, words, rows, tuple(row_numbers))

    def sentence(self) -> str:
        """For a person: "rows 2, 5 and 1,234 more: spo2_pct is outside what is possible"."""
        listed = ", ".join(str(number) for number in self.row_numbers)
        more = self.rows - len(self.row_numbers)
        some = "row" if self.rows == 1 else "rows"
        tail = f" and {more:,} more" if more else ""
        warning = "warning, " if self.severity == "warn" else ""
        if not listed:
            return f"{warning}{self.rows:,} {some}: {self.words}"
        return f"{warning}{some} {listed}{tail}: {self.words}"


def counted(number: int, what: str, many: str | None = None) -> str:
    """ "1 row", "1,234 rows"; `many` where the plural is another."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {many or what + 's'}"
