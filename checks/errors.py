"""What a person may be told about a contract or the data it checks."""

from __future__ import annotations


class CheckError(Exception):
    """A contract or a check that is wrong: one sentence with where, what was found, what to do."""
