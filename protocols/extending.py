"""A protocol file and what it extends as one, remembering where each part stands."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from pydantic import TypeAdapter, ValidationError

from checks.strict_yaml import Document, Path
from protocols.errors import ProtocolError
from protocols.kinds import kinds
from protocols.model import COMPUTED, Rule

_RULE: TypeAdapter[Rule] = TypeAdapter(Rule)
MOST_NAMED = 8
_NOT_INHERITED = ("protocol", "version", "examples", "change_note", "approved_by", "approved_on")


@dataclass(frozen=True)
class Source:
    """A protocol file as it was read."""

    name: str
    document: Document
    text: str

    @property
    def key(self) -> str:
        """`id@version`, as far as the file says."""
        return f"{self.document.data.get('protocol')}@{self.document.data.get('version')}"


@dataclass(frozen=True)
class Placed:
    """A protocol's data; `places` says for each part its file and line, `texts` what it rests on,
    `name` the file that a reader has to mend."""

    name: str
    data: dict[str, Any]
    places: Mapping[Path, tuple[str, int]]
    texts: tuple[str, ...]

    def fail(self, path: Sequence[str | int], problem: str) -> NoReturn:
        """Raise ProtocolError with the place of a part, or of its nearest parent."""
        found = tuple(path)
        while found and found not in self.places:
            found = found[:-1]
        file, line = self.places.get(found, (self.name, 1))
        where = f"{self.name}, line {line}"
        if file != self.name:
            mine = self._nearest_own(found)
            where = f"{self.name}, line {mine}: in what it extends ({file}, line {line})"
        end = "" if problem.endswith(("?", ".")) else "."
        raise ProtocolError(f"{where}: {problem}{end}")

    def _nearest_own(self, path: Path) -> int:
        """The line in the reader's own file that bears on a part: of its override, of `extends`."""
        while path:
            path = path[:-1]
            file, line = self.places.get(path, ("", 0))
            if file == self.name:
                return line
        return self.places.get(("extends",), (self.name, 1))[1]


def whole(source: Source, known: Mapping[str, Source], above: tuple[str, ...] = ()) -> Placed:
    """A file's data with what it extends filled in; worked examples, approval and change note are
    each file's own.

    Raises ProtocolError when there is nothing of that name to extend, or no such rule to change.
    """
    name, data = source.name, dict(source.document.data)
    places = {path: (name, line) for path, line in source.document.lines.items()}
    own = Placed(name, data, places, (source.text,))
    for computed in COMPUTED:
        if computed in data:
            own.fail((computed,), f"{computed} is not known here; Keel computes it")
    key = data.get("extends")
    if key is None:
        if "overrides" in data:
            own.fail(("overrides",), "overrides need `extends: id@version`")
        data.pop("extends", None)
        return own
    if not isinstance(key, str) or key not in known or key in above or key == source.key:
        hint = nearest(str(key), [name for name in known if name != source.key])
        own.fail(("extends",), f"{key} is not there to be extended{hint}")
    base = whole(known[key], known, (*above, key))
    return _merged(own, base, key)


def nearest(name: str, names: Sequence[str]) -> str:
    """The hint that ends a complaint about a name: the nearest that exists, else the first few."""
    near = difflib.get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    more = len(names) - MOST_NAMED
    told = [*names[:MOST_NAMED], *([f"and {more} more"] if more > 0 else [])]
    return f"; there is {', '.join(told) or 'none'}"


@dataclass
class _RulePart:
    data: dict[str, Any]
    places: dict[Path, tuple[str, int]]


def _merged(own: Placed, base: Placed, key: str) -> Placed:
    data = {k: v for k, v in base.data.items() if k not in _NOT_INHERITED}
    places = {
        path: place
        for path, place in base.places.items()
        if path and path[0] in data and path[0] != "rules"
    }
    for name, value in own.data.items():
        if name in ("overrides", "rules"):
            continue
        merges = name in ("measures", "sources") and isinstance(value, dict)
        inner = list(value) if merges else []
        if not merges:
            places = {path: place for path, place in places.items() if path[0] != name}
        places |= {
            path: place
            for path, place in own.places.items()
            if path[:1] == (name,) and (not merges or len(path) == 1 or path[1] in inner)
        }
        data[name] = {**data.get(name, {}), **value} if merges else value
    rules = _rules(own, base, key)
    data["rules"] = [rule.data for rule in rules]
    for at, rule in enumerate(rules):
        places |= {("rules", at, *path): place for path, place in rule.places.items()}
    places[("extends",)] = own.places[("extends",)]
    del data["extends"]
    return Placed(own.name, data, places, (*base.texts, *own.texts))


def _rules(own: Placed, base: Placed, key: str) -> list[_RulePart]:
    """The base's rules, changed and without those dropped, then the file's own."""
    kept = {str(part.data.get("id")): part for part in _parts(base)}
    overrides = own.data.get("overrides") or {}
    if not isinstance(overrides, dict):
        own.fail(("overrides",), "write rule id: {changed parameters}, one rule a line")
    for rule_id, change in overrides.items():
        path = ("overrides", rule_id)
        if rule_id not in kept:
            own.fail(path, f"{key} has no rule {rule_id}{nearest(rule_id, list(kept))}")
        if not isinstance(change, dict) or not change:
            own.fail(path, "write the changed parameters, or `dropped: reason`")
        if "dropped" in change:
            if set(change) != {"dropped"} or not isinstance(change["dropped"], str):
                own.fail(path, "a dropped rule has its reason and nothing else")
            del kept[rule_id]
            continue
        if "id" in change:
            own.fail((*path, "id"), "a rule keeps its id; drop it and write another")
        kept[rule_id] = _changed(kept[rule_id], change, _under(own.places, path))
    added = _parts(own)
    for at, part in enumerate(added):
        if str(part.data.get("id")) in kept:
            rule_id = part.data["id"]
            own.fail(("rules", at), f"{key} has a rule {rule_id} already; change it in overrides")
    return [*kept.values(), *added]


def _parts(placed: Placed) -> list[_RulePart]:
    rules = placed.data.get("rules", [])
    if not isinstance(rules, list) or not all(isinstance(rule, dict) for rule in rules):
        placed.fail(("rules",), "rules are a list; begin each with `- id:`")
    return [
        _RulePart(dict(rule), _under(placed.places, ("rules", at))) for at, rule in enumerate(rules)
    ]


def _under(places: Mapping[Path, tuple[str, int]], above: Path) -> dict[Path, tuple[str, int]]:
    return {path[len(above):]: place for path, place in places.items()
            if path[: len(above)] == above}  # fmt: skip


def _changed(
    rule: _RulePart, change: dict[str, Any], places: dict[Path, tuple[str, int]]
) -> _RulePart:
    kept = {path: place for path, place in rule.places.items() if path[:1] not in
            {(name,) for name in change}}  # fmt: skip
    data = {**rule.data, **change}
    if "title" not in change:
        data["title"] = _title(rule.data, data)
    return _RulePart(data, {**kept, **places})


def _title(old: dict[str, Any], new: dict[str, Any]) -> Any:
    """The title, with what is asked here where that is no longer what the title was written for."""
    try:
        before, after = _RULE.validate_python(old), _RULE.validate_python(new)
    except ValidationError:
        return old.get("title")  # told with its line when the whole is checked
    asked = kinds()[before.kind].asks(before).words
    asks = kinds()[after.kind].asks(after).words
    moved = [said for name, said in asks.items() if asked.get(name) != said]
    gone = [f"not {said}" for name, said in asked.items() if name not in asks]
    return f"{before.title} (here {', '.join([*moved, *gone])})" if moved or gone else before.title
