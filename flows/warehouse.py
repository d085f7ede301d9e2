"""The warehouse: the only opener of DuckDB, behind a lock of our own.

The folder holds `keel.duckdb` (schemas facts, marts, ops), the deliveries as Parquet under `raw/`,
and the lock. Tables of `ops` and `marts` are defined under `sql/`; those of `facts` derive from the
data contracts.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import duckdb

from checks.contract import Contract, contracts
from flows.errors import DamagedWarehouse, DiskError, KeelError, UsageError, WarehouseBusy
from flows.lock import Lock, locked, not_writable
from flows.memory import allowance_mb, out_of_memory

DATABASE = "keel.duckdb"
_TYPES = {
    "text": "VARCHAR", "time": "VARCHAR", "int": "BIGINT", "number": "DOUBLE",
    "decimal": "DECIMAL(18,6)", "bool": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMPTZ",
}  # fmt: skip
_ORIGIN = {
    "_batch": "INTEGER", "_row": "BIGINT", "_last_batch": "INTEGER", "_last_row": "BIGINT",
    "_extracted_at": "TIMESTAMPTZ", "_seen_at": "TIMESTAMPTZ", "_content": "UBIGINT",
}  # fmt: skip
_DAMAGE = (
    "not a valid duckdb", "corrupt", "checksum", "wal file", "serializ", "invalid magic",
    "could not read enough bytes",
)  # fmt: skip


@dataclass(frozen=True)
class Warehouse:
    """An open warehouse, which nobody else can open meanwhile.

    `notes` are sentences about what was mended when it was opened, `memory_mb` is the most that its
    database may take, where the network sets it.
    """

    folder: Path
    db: duckdb.DuckDBPyConnection
    notes: list[str] = field(default_factory=list)
    memory_mb: int | None = None

    @property
    def raw(self) -> Path:
        """Folder of the deliveries as Parquet, all text."""
        return self.folder / "raw"

    @property
    def allowed_mb(self) -> int:
        """As much memory as the setting says, else as the database's size asks for by now."""
        return self.memory_mb or allowance_mb(self.folder / DATABASE)

    def allow_memory(self) -> None:
        """Hold the database to what is allowed by now: it grows with each stage."""
        self.db.execute(f"SET memory_limit = '{self.allowed_mb}MB'")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self.db.execute("BEGIN")
        try:
            yield
        except BaseException:
            with suppress(duckdb.Error):  # a database that failed has rolled back by itself
                self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """To see what something would do: none of it stays."""
        self.db.execute("BEGIN")
        try:
            yield
        finally:
            with suppress(duckdb.Error):
                self.db.execute("ROLLBACK")


@contextmanager
def open_warehouse(
    folder: Path, lock: Lock | None = None, memory_mb: int | None = None
) -> Iterator[Warehouse]:
    """Lock the folder, unless the caller did, and open its database; both are made if need be.

    What raw holds and the database lost is adopted again; a damaged database is set aside.

    Raises WarehouseBusy when another run holds it, DiskError when it cannot be written,
    DamagedWarehouse when damage shows only after opening (the database is set aside all the same),
    KeelError when the database cannot be opened for another reason, or needs more memory than
    `memory_mb`, else than its size allows.
    """
    from flows.recovery import recover

    with locked(folder) if lock is None else nullcontext():
        notes: list[str] = []
        warehouse = Warehouse(folder, _connect(folder, notes), notes, memory_mb)
        try:
            warehouse.allow_memory()
            _create_tables(warehouse)
            recover(warehouse)
            yield warehouse
        except duckdb.Error as error:
            if shows_damage(error):
                warehouse.db.close()
                raise DamagedWarehouse(_set_aside(folder / DATABASE)) from None
            if isinstance(error, duckdb.IOException) or _is_of_disk(error):
                raise _disk_error(folder, error) from None
            if isinstance(error, duckdb.OutOfMemoryException):
                raise out_of_memory(folder, warehouse.allowed_mb) from None
            raise
        finally:
            warehouse.db.close()


@contextmanager
def read_warehouse(folder: Path) -> Iterator[Warehouse]:
    """Lock an existing warehouse and open its database read-only: nothing of it changes.

    Raises UsageError when none is there, WarehouseBusy when another run holds it, KeelError when
    it was written by another version of Keel or cannot be opened.
    """
    path = folder / DATABASE
    if not path.exists():
        raise UsageError(
            f"{folder}: no warehouse is there; name it with --warehouse, or run "
            "`keel nightly` first."
        )
    with locked(folder):
        try:
            db = duckdb.connect(str(path), read_only=True, config=_config(path))
        except duckdb.Error as error:
            if "could not set lock" in str(error).lower():
                raise _held(path) from None
            raise KeelError(
                f"{path}: the database cannot be read; `keel nightly` mends it or says why not."
            ) from None
        try:
            _set_up(db)
            yield Warehouse(folder, db)
        except (duckdb.CatalogException, duckdb.BinderException):
            raise KeelError(
                f"{path}: was written by another version of Keel; run `keel nightly`, then again."
            ) from None
        finally:
            db.close()


@contextmanager
def no_warehouse() -> Iterator[Warehouse]:
    """An empty one in memory, in place of one that nobody has made yet."""
    with duckdb.connect() as db:
        _set_up(db)
        warehouse = Warehouse(Path(), db)
        _create_tables(warehouse)
        yield warehouse


@contextmanager
def scratch_database() -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in memory that never writes to the disk, for what must stay nowhere."""
    config = _config(Path()) | {"temp_directory": ""}
    with duckdb.connect(":memory:", config=config) as db:
        _set_up(db)
        yield db


def _connect(folder: Path, notes: list[str]) -> duckdb.DuckDBPyConnection:
    path = folder / DATABASE
    previous = os.umask(0o077)
    try:
        (folder / "tmp").mkdir(exist_ok=True)
        db = _opened(path, notes)
    except OSError as error:
        raise not_writable(folder, error) from None
    finally:
        os.umask(previous)
    _set_up(db)
    return db


def _set_up(db: duckdb.DuckDBPyConnection) -> None:
    db.execute("SET TimeZone = 'UTC'")
    db.execute("SET enable_progress_bar = false")


def _config(path: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "temp_directory": str(path.parent / "tmp"),
        "memory_limit": f"{allowance_mb(path)}MB",
    }


def _held(path: Path) -> WarehouseBusy:
    return WarehouseBusy(f"{path}: another program has the database open; close it, run again.")


def _opened(path: Path, notes: list[str]) -> duckdb.DuckDBPyConnection:
    """The database; a damaged log, then a damaged file, is set aside and kept."""
    log = path.with_name(f"{path.name}.wal")
    while True:
        try:
            return duckdb.connect(str(path), config=_config(path))
        except duckdb.Error as error:
            words = str(error).lower()
            if "could not set lock" in words:
                raise _held(path) from None
            if not os.access(path.parent, os.W_OK) or "permission" in words:
                raise DiskError(
                    f"{path.parent}: the warehouse cannot be written; check its rights."
                ) from None
            damaged = next((part for part in (log, path) if part.exists()), None)
            if damaged is None or not shows_damage(error):
                raise KeelError(
                    f"{path}: the database cannot be opened; look at its rights, or restore it."
                ) from None
            notes.append(_set_aside(damaged))


def shows_damage(error: duckdb.Error) -> bool:
    """Whether DuckDB says that the database's own bytes are not what it wrote."""
    words = str(error).lower()
    return any(word in words for word in _DAMAGE)


def _set_aside(damaged: Path) -> str:
    """Keep a damaged file under another name, so that a new one is made; gives a sentence."""
    kept = damaged.with_name(f"{damaged.name}.damaged-{time.time_ns()}")
    damaged.replace(kept)
    return (
        f"{damaged}: was damaged and is kept as {kept.name}; everything is loaded anew from the "
        "raw deliveries."
    )


def _create_tables(warehouse: Warehouse) -> None:
    """Those that are not there: DuckDB takes as long over each that is."""
    db = warehouse.db
    there = set(db.execute("SELECT schema_name, table_name FROM duckdb_tables()").fetchall())
    with warehouse.transaction():
        for schema in ("facts", "marts", "ops"):
            db.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for schema in ("ops", "marts"):
            for name, text in table_definitions(schema).items():
                if (schema, name) not in there:
                    db.execute(text)
        for feed, contract in contracts().items():
            if not {("facts", feed), ("facts", f"{feed}_history")} <= there:
                create_facts(db, contract)


def table_definitions(schema: str) -> dict[str, str]:
    """Table name to its CREATE statement, from `sql/<schema>/`."""
    folder = files("sql") / schema
    return {
        entry.name.removesuffix(".sql"): entry.read_text(encoding="utf-8")
        for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".sql")
    }


def fact_columns(contract: Contract) -> list[str]:
    """A fact's columns: whose it is, the contract's, and where its version came from.

    `_batch` and `_row` brought the version, `_last_batch` and `_last_row` said it last, extracted
    at `_extracted_at`, which orders versions; `_seen_at` is the latest extract of a file that held
    the key; `_content` tells whether a later row says the same.
    """
    own = [
        column.name for column in contract.columns if column.name not in ("clinic_id", "deleted")
    ]
    return ["clinic_id", *own, *_ORIGIN]


def create_facts(db: duckdb.DuckDBPyConnection, contract: Contract, *, anew: bool = False) -> None:
    """A feed's tables. Of its history, `_withdrawn` rows withdraw their key (deleted = true);
    `_absent` ones are the last version of a key that a later full export lacks.
    """
    types = {column.name: _TYPES[column.type] for column in contract.columns}
    types |= {"clinic_id": "VARCHAR"} | _ORIGIN
    columns = ", ".join(f'"{name}" {types[name]}' for name in fact_columns(contract))
    made = "CREATE OR REPLACE TABLE" if anew else "CREATE TABLE IF NOT EXISTS"
    db.execute(f"{made} facts.{contract.feed} ({columns})")
    past = f"{columns}, _withdrawn BOOLEAN, _absent BOOLEAN"
    db.execute(f"{made} facts.{contract.feed}_history ({past})")


def _is_of_disk(error: duckdb.Error) -> bool:
    """A commit that the disk refuses is no IOException."""
    words = str(error).lower()
    return any(word in words for word in ("no space", "permission", "read-only", "quota"))


def _disk_error(folder: Path, error: duckdb.Error) -> KeelError:
    if _is_of_disk(error):
        return DiskError(f"{folder}: the disk is full or not writable; mend that, run again.")
    return KeelError(f"{folder}: reading or writing failed; check the disk, run again.")
