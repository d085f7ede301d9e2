"""DuckDB's own connection, lent to SQLAlchemy and so to Great Expectations."""

from __future__ import annotations

import atexit
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import islice
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

_CATALOGUE = "pg_catalog"
_Answer = tuple[Any, list[Any]]


@contextmanager
def lent(connection: duckdb.DuckDBPyConnection) -> Iterator[dict[str, Any]]:
    """Engine arguments that make SQLAlchemy use our connection and no other.

    Great Expectations reads a cursor after giving its connection back to the pool, which DuckDB's
    cursors do not survive: every result is read at execute(). The pool begins, ends and closes
    nothing. It keeps its objects for as long as the process lives: they are left empty, and types
    are told by name, for DuckDB writes about its own that are left at exit. What the catalogue says
    is asked once: it is the same for as long as the connection is lent.
    """
    import duckdb_engine
    from sqlalchemy.pool import StaticPool

    _forget_at_exit(duckdb_engine)

    class Buffered(duckdb_engine.CursorWrapper):
        def execute(self, statement: str, parameters: Any = None, context: Any = None) -> None:
            def ask() -> _Answer:
                super(Buffered, self).execute(statement, parameters, context)
                return _read(self._CursorWrapper__c)

            self._description, rows = catalogue.answer(statement, parameters, ask)
            self._rows = iter(rows)

        @property
        def description(self) -> Any:
            return getattr(self, "_description", None)

        def fetchone(self) -> Any:
            return next(self._rows, None)

        def fetchmany(self, size: int = 1) -> list[Any]:
            return list(islice(self._rows, size))

        def fetchall(self) -> list[Any]:
            return list(self._rows)

    class Lent(duckdb_engine.ConnectionWrapper):
        def cursor(self) -> Buffered:
            made = Buffered(self._ConnectionWrapper__c, self)
            loans.append(made)
            return made

        def begin(self) -> None:
            """The owner's business, like the rest."""

        commit = rollback = close = begin

    owned, loans, catalogue = [connection], list[Any](), _Catalogue()

    def lend() -> Lent:
        made = Lent(owned[0])
        loans.append(made)
        return made

    try:
        yield {"creator": lend, "poolclass": StaticPool}
    finally:
        _empty(loans)
        owned.clear()


def _empty(loans: list[Any]) -> None:
    for loan in loans:
        vars(loan).update(dict.fromkeys(vars(loan)))


class _Catalogue(dict[tuple[str, str], _Answer]):
    """What was answered about the catalogue."""

    def answer(self, statement: str, parameters: Any, ask: Callable[[], _Answer]) -> _Answer:
        """That of a question already put, else what asking gives."""
        if _CATALOGUE not in statement:
            return ask()
        asked = (statement, repr(parameters))
        if asked not in self:
            self[asked] = ask()
        return self[asked]


def _read(cursor: Any) -> _Answer:
    """A description with types by name, and all rows."""
    description = cursor.description and [
        (name, str(kind), *rest) for name, kind, *rest in cursor.description
    ]
    return description, cursor.fetchall() if description else []


@cache
def _forget_at_exit(module: ModuleType) -> None:
    """Next to Great Expectations, duckdb_engine's names outlive the interpreter, and DuckDB then
    writes dozens of lines about leaks to stderr.
    """
    atexit.register(vars(module).clear)
