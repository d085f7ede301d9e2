"""Where the templates of all reports live: what they are given is text, never markup."""

from __future__ import annotations

from typing import Any

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from jinja2.bccache import Bucket

from flows.reports.words import FILTERS


class _InMemory(BytecodeCache):
    """Templates are compiled once a process: a night writes several reports."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._compiled:
            bucket.bytecode_from_string(self._compiled[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


_COMPILED = _InMemory()


class _Rows(Environment):
    """Rows are dicts, and what a template asks a row for is its column."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """The column; of anything that is no row, or has no such column, what Jinja finds."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


def environment() -> Environment:
    """Templates with the report's filters; whatever is not given to one is an error."""
    made = _Rows(
        loader=PackageLoader("flows.reports"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, bytecode_cache=_COMPILED, auto_reload=False,
    )  # fmt: skip
    made.filters |= FILTERS
    return made
