"""YAML as data: no aliases, tags, duplicate keys, unquoted yes/no/on/off, or bombs.

A parsed document is plain Python data beside the line of each of its parts, so that an error can
point at the line that a person has to mend.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    NodeEvent,
)
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

MOST_BYTES = 1_000_000
MOST_NESTED = 20
_READ_OTHERWISE = re.compile(r"\t")
_SWITCHES = frozenset({"yes", "no", "on", "off", "y", "n"})

Path = tuple[str | int, ...]


class YamlProblem(ValueError):
    """What is wrong with a YAML text, and on which line (1-based)."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line, self.problem = line, problem


@dataclass(frozen=True)
class Document:
    """A YAML text's content, and the line on which each part of it starts."""

    data: Any
    lines: Mapping[Path, int]

    def line(self, path: Path) -> int:
        """Line of a part, or of its nearest parent that is in the text."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def parse(text: str) -> Document:
    """Read one YAML document.

    Raises YamlProblem for a text that is no YAML, holds something that is refused here, or is
    larger or deeper than any honest contract or protocol.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MOST_BYTES:
        raise YamlProblem(1, f"the file is larger than {MOST_BYTES:,} bytes; split it")
    try:
        yaml, root = _composed(text)
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise YamlProblem(line, _structure(error.problem or "")) from None
    except YAMLError:
        raise YamlProblem(1, "this is not YAML") from None
    lines: dict[Path, int] = {}
    if root is None:
        return Document(None, lines)
    return Document(_plain(yaml, root, (), lines), lines)


def _composed(text: str) -> tuple[YAML, Node | None]:
    """By libyaml, which is fifty times as fast; what it does not take, such as a bare 14:05 within
    braces, by the parser in Python, whose word counts.
    """
    fast = YAML(typ="safe", pure=False)
    try:
        if not _READ_OTHERWISE.search(text):
            _refuse_tricks(fast, text)
            return fast, fast.compose(text)
    except YAMLError:
        pass
    slow = YAML(typ="safe", pure=True)
    _refuse_tricks(slow, text)
    return slow, slow.compose(text)


def _structure(problem: str) -> str:
    if "'\\t'" in problem:
        return "a tab stands here; indent with spaces"
    return (
        f"this is not YAML ({problem}); look at indentation, colons and quotes here and in the "
        "line above: a text with a colon in it needs quotes"
    )


def _refuse_tricks(yaml: YAML, text: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text):
        line = event.start_mark.line + 1
        documents += isinstance(event, DocumentStartEvent)
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if getattr(event, "version", None) or getattr(event, "tags", None):
            raise YamlProblem(line, "directives (%) are refused; take the line out")
        if documents > 1:
            raise YamlProblem(line, "a second document begins here; one file holds one")
        if depth > MOST_NESTED:
            raise YamlProblem(line, f"nested more than {MOST_NESTED} deep")
        if isinstance(event, AliasEvent) or (isinstance(event, NodeEvent) and event.anchor):
            raise YamlProblem(line, "anchors and aliases (& and *) are refused; write it out")
        if getattr(event, "tag", None) is not None:
            raise YamlProblem(line, "tags (!) are refused; write the plain value")


def _plain(yaml: YAML, node: Node, path: Path, lines: dict[Path, int]) -> Any:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, MappingNode):
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            key = _scalar(yaml, key_node)
            if not isinstance(key, str):
                raise YamlProblem(line, "a key must be text; put it in quotes")
            if key in found:
                raise YamlProblem(line, f"the key {key!r} stands here twice")
            found[key] = _plain(yaml, value_node, (*path, key), lines)
            lines[(*path, key)] = line
        return found
    if isinstance(node, SequenceNode):
        return [_plain(yaml, item, (*path, at), lines) for at, item in enumerate(node.value)]
    return _scalar(yaml, node)


def _scalar(yaml: YAML, node: Node) -> Any:
    line = node.start_mark.line + 1
    if not isinstance(node, ScalarNode):
        raise YamlProblem(line, "a key must be text")
    if not node.style and str(node.value).lower() in _SWITCHES:
        raise YamlProblem(
            line, f"unquoted {node.value} is text to some readers and true or false to others; "
            "write true or false, and quotes only around what is text",
        )  # fmt: skip
    try:
        str(node.value).encode()  # half a surrogate pair is no text that can be written down
        return yaml.constructor.construct_object(node, deep=True)
    except (ValueError, YAMLError):
        raise YamlProblem(line, "this value cannot be read") from None
