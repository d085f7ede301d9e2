"""What a person may be told: one sentence each, with the exit code that a scheduler reads."""

from __future__ import annotations


class KeelError(Exception):
    """A failure that is explained in one sentence: where, what was found, what to do next."""

    exit_code = 1


class UsageError(KeelError):
    """Wrong usage, settings, contract or protocol."""

    exit_code = 2


class WarehouseBusy(KeelError):
    """Another run holds the warehouse."""

    exit_code = 3


class SourceFailed(KeelError):
    """A foreign source gives nothing this time, for what its files are or hold; a night leaves it
    for the next one and goes on."""


class DamagedWarehouse(KeelError):
    """The database was found damaged and is set aside; the next run builds it again from raw."""


class DiskError(KeelError):
    """The disk is full or not writable."""

    exit_code = 4
