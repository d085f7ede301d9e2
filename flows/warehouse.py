"""The warehouse: the only opener of DuckDB, behind a lock of our own.

The folder holds `keel.duckdb` (schemas facts, marts, ops), the deliveries as Parquet under `raw/`,
and the lock. Tables of `ops` and `marts` are defined under `sql/`; those of `facts` derive from the
data contracts.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import duckdb

from checks.contract import Contract, contracts
from flows.errors import DiskError, KeelError, WarehouseBusy

DATABASE = "keel.duckdb"
LOCK = "keel.lock"
_TYPES = {
    "text": "VARCHAR", "time": "VARCHAR", "int": "BIGINT", "number": "DOUBLE",
    "decimal": "DECIMAL(18,6)", "bool": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMPTZ",
}  # fmt: skip
_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}


@dataclass(frozen=True)
class Warehouse:
    """An open warehouse, which nobody else can open meanwhile."""

    folder: Path
    db: duckdb.DuckDBPyConnection

    @property
    def raw(self) -> Path:
        """Folder of the deliveries as Parquet, all text."""
        return self.folder / "raw"

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self.db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")


@contextmanager
def open_warehouse(folder: Path) -> Iterator[Warehouse]:
    """Lock the folder and open its database, making both when they are not there.

    Raises WarehouseBusy when another run holds it, DiskError when it cannot be written, KeelError
    when the database file is damaged.
    """
    with _locked(folder):
        warehouse = Warehouse(folder, _connect(folder))
        try:
            _create_tables(warehouse)
            yield warehouse
        except duckdb.IOException as error:
            raise _disk_error(folder, error) from None
        finally:
            warehouse.db.close()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _not_writable(folder, error) from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WarehouseBusy(
                f"{folder}: another run holds the warehouse; wait for it to end, run again."
            ) from None
        yield
    finally:
        os.close(handle)


def _connect(folder: Path) -> duckdb.DuckDBPyConnection:
    path = folder / DATABASE
    config = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "temp_directory": str(folder / "tmp"),
        "memory_limit": "1500MB",
    }
    previous = os.umask(0o077)
    try:
        db = duckdb.connect(str(path), config=config)
    except duckdb.Error:
        if not os.access(folder, os.W_OK):
            raise DiskError(
                f"{folder}: the warehouse cannot be written; check its rights."
            ) from None
        raise KeelError(
            f"{path}: the database cannot be opened; restore a backup, or move it aside and run "
            "`keel nightly` again: everything is read anew from the landing folder."
        ) from None
    finally:
        os.umask(previous)
    db.execute("SET TimeZone = 'UTC'")
    db.execute("SET enable_progress_bar = false")
    return db


def _create_tables(warehouse: Warehouse) -> None:
    with warehouse.transaction():
        for schema in ("facts", "marts", "ops"):
            warehouse.db.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
        for schema in ("ops", "marts"):
            for text in table_definitions(schema).values():
                warehouse.db.execute(text)
        for contract in contracts().values():
            for text in _fact_tables(contract):
                warehouse.db.execute(text)


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

    `_extracted_at` orders versions; `_seen_at` is the latest extract that held the key;
    `_content` tells whether a later row says the same.
    """
    own = [
        column.name for column in contract.columns if column.name not in ("clinic_id", "deleted")
    ]
    return ["clinic_id", *own, "_batch", "_row", "_extracted_at", "_seen_at", "_content"]


def _fact_tables(contract: Contract) -> list[str]:
    types = {column.name: _TYPES[column.type] for column in contract.columns} | {
        "clinic_id": "VARCHAR",
        "_batch": "INTEGER",
        "_row": "BIGINT",
        "_extracted_at": "TIMESTAMPTZ",
        "_seen_at": "TIMESTAMPTZ",
        "_content": "UBIGINT",
    }
    columns = ", ".join(f'"{name}" {types[name]}' for name in fact_columns(contract))
    return [
        f"CREATE TABLE IF NOT EXISTS facts.{contract.feed} ({columns})",
        f"CREATE TABLE IF NOT EXISTS facts.{contract.feed}_history ({columns}, _withdrawn BOOLEAN)",
    ]


def _not_writable(folder: Path, error: OSError) -> KeelError:
    if error.errno in _DISK:
        return DiskError(
            f"{folder}: {error.strerror}; free the disk or mend its rights, run again."
        )
    return KeelError(f"{folder}: {error.strerror}; name another folder with --warehouse.")


def _disk_error(folder: Path, error: duckdb.IOException) -> KeelError:
    words = str(error).lower()
    if "no space" in words or "permission" in words or "read-only" in words or "quota" in words:
        return DiskError(f"{folder}: the disk is full or not writable; mend that, run again.")
    return KeelError(f"{folder}: reading or writing failed; check the disk, run again.")
