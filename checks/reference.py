"""Reference pages of the feeds, written from their contracts: `python -m checks.reference FOLDER`.

One page a feed, and `index.md` over all of them. They are kept in the repository, so that they can
be read without running anything; a test holds them to the contracts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from checks.contract import Column, ColumnType, Contract, Expectation, Kind, contracts
from checks.quarantine import TYPE_WORDS, bounds_words

_TYPES: Mapping[ColumnType, str] = {
    "text": "text", "int": "whole number", "number": "number", "bool": "true or false",
    "decimal": "exact number, six decimals kept", "date": "date", "timestamp": "timestamp",
    "time": "time of day",
}  # fmt: skip
_PHI = {"none": "", "identifier": "pseudonymous", "direct": "direct"}
_FAILS: Mapping[Kind, str] = {
    "type": "{0} cannot be read as {type}",
    "required": "{0} is empty",
    "unique": "{0} stands twice in one file, with different contents",
    "closed_set": "{0} is not one of {listed}",
    "suggested_set": "{0} is not one of {listed}",
    "range": "{0} is not {bounds}",
    "order": "{0} is {order} than {1}",
    "reference": "{0} names no `{column}` of {feed}",
    "volume": "a delivery has fewer than {least_share:.0%} of the rows its folder usually has; in "
    "a feed that is delivered in full, a file with fewer than {least_share:.0%} of the rows of the "
    "full export before it is blocked",
    "freshness": "a clinic's latest delivery is older than {most_days} days",
    "missingness": "a column's share of empty fields is more than {most_rise:.0%} of the rows "
    "above that of all earlier deliveries",
    "total": "the total is not that of the items; metrics use the items' ([scales]("
    "../instruments.md))",
}
_HEADINGS = (
    ("quarantine", "What quarantines a row",
     "Besides a local time that does not exist or came twice, and a row of another clinic than its "
     "folder's. A row that says `deleted` = true needs only its id."),
    ("warn", "What warns", "Such rows and deliveries are loaded and counted."),
)  # fmt: skip
_WRITTEN = (
    "<!-- Written by `python -m checks.reference` from the feed's contract: change that. -->\n"
)


def pages() -> dict[str, str]:
    """Every page's text by its file name."""
    held = contracts()
    return {"index.md": _index(held), **{f"{feed}.md": page(held[feed]) for feed in sorted(held)}}


def page(contract: Contract) -> str:
    """A feed's page: what a row is, its columns, what quarantines a row and what warns."""
    facts = [
        f"Contract version {contract.version}.",
        f"The id column is `{contract.id_column}`: with the clinic it is the row's key, and a "
        "later delivery of the same key corrects the row.",
    ]
    if contract.event_time is not None:
        facts.append(f"A row's event is at `{contract.event_time}`.")
    if contract.network_wide:
        facts.append("In `_network/` an empty `clinic_id` means every clinic.")
    if contract.quarantine_share is not None:
        facts.append(
            f"A batch with more than {contract.quarantine_share:.0%} of its rows in quarantine is "
            "blocked."
        )
    header = ",".join(contract.names)
    parts = [
        f"{_WRITTEN}# {contract.feed}\n",
        f"{contract.description}\n",
        " ".join(facts) + "\n",
        "## Columns\n",
        _columns(contract),
        "An empty field is null. Column order is free; a column that is not here is kept in the "
        "raw delivery and warned of. A direct identifier never leaves the warehouse.\n",
        "A file's header, for copying:\n",
        f"```csv\n{header}\n```\n",
    ]
    for severity, title, text in _HEADINGS:
        listed = [e for e in contract.expectations if e.severity == severity]
        if listed:
            lines = "\n".join(_line(contract, expectation) for expectation in listed)
            parts += [f"## {title}\n", f"{text}\n", f"{lines}\n"]
    return "\n".join(parts)


def _index(held: Mapping[str, Contract]) -> str:
    rows = [
        (f"[{feed}]({feed}.md)", f"`{held[feed].id_column}`", held[feed].description)
        for feed in sorted(held)
    ]
    return (
        f"{_WRITTEN}# Feeds\n\nWhat Keel takes in, feed by feed.\n\n"
        f"{_table(('Feed', 'Id column', 'What a row is'), rows)}"
    )


def _columns(contract: Contract) -> str:
    rows = [
        (
            f"`{column.name}`",
            "yes" if column.required else "",
            _TYPES[column.type],
            column.unit or "",
            _PHI[column.phi],
            column.description + _values(column),
        )
        for column in contract.columns
    ]
    return _table(("Column", "Required", "Type", "Unit", "Identifier", "Meaning"), rows)


def _values(column: Column) -> str:
    said = ""
    if column.closed is not None:
        said += " One of " + ", ".join(f"`{value}`" for value in column.closed) + "."
    if column.suggested is not None:
        said += " Usually " + ", ".join(f"`{value}`" for value in column.suggested) + "."
    if column.references is not None:
        feed, name = column.references
        said += f" Names `{name}` of [{feed}]({feed}.md)."
    return said


def _line(contract: Contract, expectation: Expectation) -> str:
    """What fails the expectation, with its id."""
    names = [f"`{name}`" for name in expectation.columns]
    column = contract.column(expectation.columns[0]) if names else None
    values = expectation.parameters
    said = _FAILS[expectation.kind].format(
        *names,
        **values,
        type=TYPE_WORDS[column.type] if column else "",
        listed=", ".join(f"`{value}`" for value in values.get("value_set", ())),
        bounds=bounds_words(values, column.unit if column else None),
        order="earlier" if values.get("or_equal") else "not later",
    )
    allowed = f", in more than {expectation.share:.0%} of the rows" if expectation.share else ""
    return f"- `{expectation.id}`: {said}{allowed}"


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(header)
    lines = [names, ["---"] * len(names), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines
    )


def write(folder: Path) -> None:
    """Write every page into the folder; pages of feeds that are gone are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = pages()
    for path in folder.glob("*.md"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference/feeds"))
