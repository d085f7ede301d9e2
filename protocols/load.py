"""Protocol files into the model, strictly: errors name file, line and the nearest name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import date
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path

from pydantic import ValidationError

from checks.strict_yaml import YamlProblem, parse
from protocols.alike import with_likeness
from protocols.coherence import check_coherence
from protocols.errors import ProtocolError
from protocols.explaining import explain
from protocols.extending import Placed, Source, whole
from protocols.model import Protocol
from protocols.scope import check_expressions

SUFFIXES = (".yaml", ".yml")


def load_protocols(folders: Sequence[Path], builtin: bool = True) -> tuple[Protocol, ...]:
    """Every protocol of the built-in library (unless switched off) and of the network's folders.

    Raises ProtocolError for a file that is wrong, an id both built in and the network's own, two
    versions in force on one day, or versions that differ in drug or gap.
    """
    known = _known(folders, builtin)
    loaded = [_protocol(source, known) for source in known.values()]
    ordered = sorted(loaded, key=lambda pair: (pair[0].protocol, pair[0].effective.from_))
    for earlier, later in pairwise(ordered):
        _check_versions(earlier[0], *later)
    return tuple(protocol for protocol, _ in ordered)


def load_protocol(path: Path, folders: Sequence[Path] = (), builtin: bool = True) -> Protocol:
    """One protocol file, which may extend one of the library or of the network's folders."""
    source = _read(str(path), path)
    known = _known(folders, builtin) if "extends" in source.document.data else {}
    return _protocol(source, {**known, source.key: source})[0]


def _known(folders: Sequence[Path], builtin: bool) -> dict[str, Source]:
    """Every file by `id@version`."""
    shipped = _library() if builtin else ()
    own = [source for folder in folders for source in _folder(folder)]
    ids = {source.document.data.get("protocol"): source for source in shipped}
    known: dict[str, Source] = {}
    for source in (*shipped, *own):
        place = f"{source.name}, line {source.document.line(('protocol',))}"
        if source in own and source.document.data.get("protocol") in ids:
            raise ProtocolError(
                f"{place}: the protocol {source.document.data['protocol']} is in the built-in "
                "library too; give yours another id, or set builtin_protocols = false."
            )
        if source.key in known:
            raise ProtocolError(
                f"{place}: {source.key} is in {known[source.key].name} already; raise its version."
            )
        known[source.key] = source
    return known


@cache
def _library() -> tuple[Source, ...]:
    folder = files("protocols") / "library"
    entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    return tuple(
        _read(f"protocols/library/{entry.name}", entry)
        for entry in entries
        if entry.name.endswith(SUFFIXES)
    )


def _folder(folder: Path) -> Iterable[Source]:
    if not folder.is_dir():
        raise ProtocolError(f"{folder}: there is no such folder of protocols; mend `protocols`.")
    for path in sorted(folder.iterdir()):
        # Editors and file managers leave hidden companions (.#mine.yaml, ._mine.yaml).
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            yield _read(str(path), path)


def _read(name: str, path: Path | Traversable) -> Source:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        raise ProtocolError(f"{name}: cannot be read as UTF-8 text; check the file.") from None
    try:
        document = parse(text.removeprefix("\ufeff"))
    except YamlProblem as problem:
        raise ProtocolError(f"{name}, {problem}.") from None
    if not isinstance(document.data, dict):
        raise ProtocolError(
            f"{name}, line 1: holds no protocol; start with `protocol:` and its id."
        )
    return Source(name, document, text)


def _protocol(source: Source, known: dict[str, Source]) -> tuple[Protocol, Placed]:
    placed = whole(source, known)
    text = "\x1e".join(placed.texts)
    own = {"sha256": hashlib.sha256(text.encode()).hexdigest(), "text": text}
    try:
        protocol = Protocol.model_validate(with_likeness(placed) | own)
    except ValidationError as error:
        explain(placed, error)
    check_coherence(protocol, placed.fail)
    check_expressions(protocol, placed.fail)
    return protocol, placed


def _check_versions(earlier: Protocol, later: Protocol, placed: Placed) -> None:
    """Versions of one protocol share drug, gap and judged feed; one is in force on a day."""
    if earlier.protocol != later.protocol:
        return
    for path, what, one, other in (
        (("drug",), "drug", earlier.drug, later.drug),
        (("course",), "gap", earlier.course.gap.text, later.course.gap.text),
        (("judges",), "judged feed", earlier.judges, later.judges),
    ):
        if one != other:
            placed.fail(path, f"{later.key}: its {what} differs from that of {earlier.key}; "
                        "versions of one protocol share it, so give it another id")  # fmt: skip
    if (earlier.effective.to or date.max) >= later.effective.from_:
        placed.fail(("effective",), f"{later.key} is in force from {later.effective.from_}, when "
                    f"{earlier.key} still is; end that one the day before")  # fmt: skip
