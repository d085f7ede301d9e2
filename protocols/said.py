"""All that a part of a protocol says, as one text in which words can be looked for."""

from __future__ import annotations

import re
from collections.abc import Set

from pydantic import BaseModel

_ESCAPE = re.compile(r"\\.")
_DOT = re.compile(r"\s*\.\s*")


def said_by(part: BaseModel, without: Set[str] = frozenset()) -> str:
    """The part as JSON, but for its fields `without`; a line break or a quote within an expression
    is a blank, and there is none around a dot: `patient . "sex"` is patient.sex.
    """
    said = part.model_dump_json(exclude=set(without))
    return _DOT.sub(".", _ESCAPE.sub(" ", said))
