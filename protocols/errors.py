"""What a person may be told about a protocol."""

from __future__ import annotations


class ProtocolError(Exception):
    """A protocol that is wrong: one sentence with file, line, what was found, what to do."""
