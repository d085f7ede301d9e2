"""Protocol files into the model, strictly: errors name file, line and the nearest name."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from checks.strict_yaml import Document, YamlProblem, parse
from protocols.errors import ProtocolError
from protocols.model import Protocol
from protocols.scope import check_expressions

_Source = tuple[str, Document, str]
_KINDS = ("value", "elapsed", "occurrence", "cadence", "rate", "change", "response")


def load_protocols(folders: Sequence[Path], builtin: bool = True) -> tuple[Protocol, ...]:
    """Every protocol of the built-in library (unless switched off) and of the network's folders.

    Raises ProtocolError for a file that is wrong, an id both built in and the network's own, two
    versions in force on one day, or versions that differ in drug or gap.
    """
    shipped = list(_library()) if builtin else []
    own = [source for folder in folders for source in _folder(folder)]
    both = {_id(source) for source in shipped} & {_id(source) for source in own}
    if both:
        where = next(name for name, document, _ in own if document.data.get("protocol") in both)
        raise ProtocolError(
            f"{where}: the protocol {sorted(both)[0]} is in the built-in library too; give yours "
            "another id, or set builtin_protocols = false."
        )
    plain: dict[str, _Source] = {}
    for source in (*shipped, *own):
        key = f"{_id(source)}@{source[1].data.get('version')}"
        if key in plain:
            raise ProtocolError(
                f"{source[0]}: {key} is in {plain[key][0]} already; raise its version."
            )
        plain[key] = source
    protocols = tuple(_protocol(source, plain) for source in plain.values())
    _check_versions(protocols)
    return tuple(sorted(protocols, key=lambda p: (p.protocol, p.effective.from_)))


def load_protocol(path: Path) -> Protocol:
    """One protocol file, which may extend one of the built-in library."""
    source = _read(str(path), path)
    plain = {f"{_id(s)}@{s[1].data.get('version')}": s for s in (*_library(), source)}
    return _protocol(source, plain)


def _library() -> Iterable[_Source]:
    folder = files("protocols") / "library"
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if entry.name.endswith(".yaml"):
            yield _read(f"protocols/library/{entry.name}", entry)


def _folder(folder: Path) -> Iterable[_Source]:
    if not folder.is_dir():
        raise ProtocolError(f"{folder}: there is no such folder of protocols; mend `protocols`.")
    for path in sorted(folder.glob("*.y*ml")):
        yield _read(str(path), path)


def _read(name: str, path: Path | Traversable) -> _Source:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ProtocolError(f"{name}: cannot be read as UTF-8 text; check the file.") from None
    try:
        document = parse(text)
    except YamlProblem as problem:
        raise ProtocolError(f"{name}, {problem}.") from None
    if not isinstance(document.data, dict):
        raise ProtocolError(f"{name}: holds no protocol; start with `protocol:` and its id.")
    return name, document, text


def _id(source: _Source) -> str:
    return str(source[1].data.get("protocol"))


def _protocol(source: _Source, plain: dict[str, _Source]) -> Protocol:
    name, document, _ = source
    data, texts = _extended(source, plain, ())
    try:
        protocol = Protocol.model_validate(
            {**data, "sha256": hashlib.sha256("\x1e".join(texts).encode()).hexdigest()}
        )
    except ValidationError as error:
        _explain(name, document, error)
    check_expressions(protocol, lambda path, problem: _fail(name, document, path, problem))
    return protocol


def _extended(
    source: _Source, plain: dict[str, _Source], above: tuple[str, ...]
) -> tuple[dict[str, Any], list[str]]:
    """A protocol's data with what it extends filled in, and the texts it rests on."""
    name, document, text = source
    data = dict(document.data)
    base_key = data.pop("extends", None)
    overrides = data.pop("overrides", None)
    if base_key is None:
        if overrides is not None:
            _fail(name, document, ("overrides",), "overrides need `extends: id@version`")
        return data, [text]
    if base_key in above or base_key not in plain:
        near = difflib.get_close_matches(str(base_key), plain, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        _fail(name, document, ("extends",), f"{base_key} is not there to be extended{hint}")
    base, texts = _extended(plain[base_key], plain, (*above, base_key))
    base.pop("examples", None)
    rules = {rule["id"]: dict(rule) for rule in base.get("rules", [])}
    for rule_id, change in (overrides or {}).items():
        path = ("overrides", rule_id)
        if rule_id not in rules:
            near = difflib.get_close_matches(rule_id, rules, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            _fail(name, document, path, f"{base_key} has no rule {rule_id}{hint}")
        if not isinstance(change, dict):
            _fail(name, document, path, "write the changed parameters, or `dropped: reason`")
        if "dropped" in change:
            del rules[rule_id]
        else:
            rules[rule_id] |= change
    added = {rule["id"]: rule for rule in data.pop("rules", [])}
    merged = {**base, **data, "rules": list({**rules, **added}.values())}
    for part in ("measures", "sources"):
        merged[part] = {**base.get(part, {}), **data.get(part, {})}
    return merged, [*texts, text]


def _check_versions(protocols: Sequence[Protocol]) -> None:
    ordered = sorted(protocols, key=lambda p: (p.protocol, p.effective.from_))
    for earlier, later in pairwise(ordered):
        if earlier.protocol != later.protocol:
            continue
        for what, one, other in (
            ("drug", earlier.drug, later.drug),
            ("gap", earlier.course.gap.text, later.course.gap.text),
            ("judged feed", earlier.judges, later.judges),
        ):
            if one != other:
                raise ProtocolError(
                    f"{later.key}: its {what} differs from that of {earlier.key}; versions of one "
                    "protocol share it, so give it another id."
                )
        if (earlier.effective.to or date.max) >= later.effective.from_:
            raise ProtocolError(
                f"{later.key}: is in force from {later.effective.from_}, when {earlier.key} still "
                "is; end that one the day before."
            )


def _explain(name: str, document: Document, error: ValidationError) -> NoReturn:
    problems = error.errors()
    misnamed = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first = (misnamed or problems)[0]
    path = tuple(
        part for part in first["loc"]
        if part not in _KINDS
        or part == first["loc"][-1]
    )  # fmt: skip
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        allowed = _fields(path)
        near = difflib.get_close_matches(str(path[-1]), allowed, n=1)
        message = f"{path[-1]} is not known here" + (f"; did you mean {near[0]}?" if near else "")
    elif first["type"] == "union_tag_invalid":
        tag = str(first["ctx"]["tag"])
        near = difflib.get_close_matches(tag, _KINDS, n=1)
        hint = f"did you mean {near[0]}?" if near else f"kinds are {', '.join(_KINDS)}"
        message = f"there is no kind {tag}; {hint}"
    elif first["type"] == "literal_error":
        message = f"{path[-1]} must be one of {first['ctx']['expected']}"
    elif first["type"] == "missing":
        message = f"{path[-1]} is missing"
    elif path:
        message = f"{path[-1]}: {message}"
    _fail(name, document, path, message)


def _fields(path: tuple[str | int, ...]) -> list[str]:
    from protocols import model

    if len(path) == 1:
        return list(Protocol.model_fields)
    names: list[str] = []
    for value in vars(model).values():
        if isinstance(value, type) and issubclass(value, model._Part):
            names += [field.alias or key for key, field in value.model_fields.items()]
    return names


def _fail(name: str, document: Document, path: Sequence[str | int], problem: str) -> NoReturn:
    raise ProtocolError(f"{name}, line {document.line(tuple(path))}: {problem.rstrip('.')}.")
