"""Data contracts: what a feed's rows are, column by column, and what is expected of them.

A contract is an Open Data Contract Standard file under `checks/contracts/`. Typing SQL, the Great
Expectations suite, quarantine predicates, demo headers and the reference pages derive from it.
The subset of the standard that Keel reads is described in `docs/reference/contracts.md`.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Literal, NoReturn, cast, get_args

from checks import strict_yaml
from checks.errors import CheckError

ColumnType = Literal["text", "int", "number", "decimal", "bool", "date", "timestamp", "time"]
Phi = Literal["none", "identifier", "direct"]
Severity = Literal["quarantine", "warn"]
Kind = Literal[
    "type", "required", "closed_set", "suggested_set", "range", "unique", "reference", "order",
    "volume", "freshness", "missingness", "total",
]  # fmt: skip

COMMON = "_common"
_TYPES: Mapping[str, tuple[ColumnType, str]] = {
    "varchar": ("text", "string"),
    "bigint": ("int", "integer"),
    "double": ("number", "number"),
    "decimal(18,6)": ("decimal", "number"),
    "boolean": ("bool", "boolean"),
    "date": ("date", "date"),
    "timestamp with time zone": ("timestamp", "timestamp"),
    "time": ("time", "time"),
}
_RULES: Mapping[str, tuple[Kind, frozenset[str]]] = {
    "expect_column_values_to_be_between": ("range", frozenset({"min_value", "max_value"})),
    "expect_column_values_to_be_in_set": ("suggested_set", frozenset({"value_set"})),
    "expect_column_pair_values_a_to_be_greater_than_b": (
        "order", frozenset({"column_A", "column_B", "or_equal"}),
    ),
    "volume": ("volume", frozenset({"least_share"})),
    "freshness": ("freshness", frozenset({"most_days"})),
    "missingness": ("missingness", frozenset({"most_rise"})),
    "total": ("total", frozenset()),
}  # fmt: skip


@dataclass(frozen=True)
class Expectation:
    """One thing that is expected of a feed; `parameters` are those of its kind.

    range: min_value, max_value; closed_set and suggested_set: value_set; reference: feed, column;
    order: column_A (the later), column_B, or_equal; volume: least_share; freshness: most_days;
    missingness: most_rise; total: none. `share` is the part of rows that may fail before it
    counts as failed.
    """

    id: str
    kind: Kind
    columns: tuple[str, ...]
    severity: Severity
    parameters: Mapping[str, Any] = field(default_factory=dict)
    share: float = 0.0


@dataclass(frozen=True)
class Column:
    """One column of a feed. `closed` lists the only values allowed, `suggested` the usual ones."""

    name: str
    type: ColumnType
    required: bool = False
    unit: str | None = None
    phi: Phi = "none"
    closed: tuple[str, ...] | None = None
    suggested: tuple[str, ...] | None = None
    references: tuple[str, str] | None = None
    description: str = ""


@dataclass(frozen=True)
class Contract:
    """A feed's contract; `columns` are the feed's own, id first, then those of every feed."""

    feed: str
    id_column: str
    columns: tuple[Column, ...]
    event_time: str | None
    expectations: tuple[Expectation, ...]
    quarantine_share: float | None
    network_wide: bool
    version: str
    sha256: str
    description: str

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in contract order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; CheckError names the nearest when there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise CheckError(f"The feed {self.feed} has no column {name}{_nearest(name, self.names)}")


@cache
def contracts() -> Mapping[str, Contract]:
    """Every feed's contract in load order: what others refer to comes first."""
    folder = files("checks") / "contracts"
    texts = {
        entry.name.removesuffix(".yaml"): entry.read_text(encoding="utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    }
    common = texts.pop(COMMON)
    found = {feed: parse_contract(text, common, feed) for feed, text in sorted(texts.items())}
    return MappingProxyType({feed: found[feed] for feed in _references_first(found)})


def contract(feed: str) -> Contract:
    """One feed's contract; CheckError names the nearest feed when it is unknown."""
    try:
        return contracts()[feed]
    except KeyError:
        raise CheckError(f"There is no feed {feed}{_nearest(feed, tuple(contracts()))}") from None


def parse_contract(text: str, common: str, name: str) -> Contract:
    """A contract from its YAML text and that of the columns every feed has.

    Raises CheckError with the file's name and line for whatever the subset does not allow.
    """
    try:
        return _read_contract(text, common, name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CheckError(
            f"checks/contracts/{name}.yaml: a part is missing or of the wrong shape ({error!s}); "
            "compare it with another contract."
        ) from None


def _read_contract(text: str, common: str, name: str) -> Contract:
    own, shared = _Reader(text, name), _Reader(common, COMMON)
    feed = own.table.get("name")
    if feed != name:
        own.fail("the table's name must be that of the file", ("schema", 0, "name"))
    columns = (*own.columns(), *shared.columns())
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        own.fail("a column stands here twice", ("schema", 0, "properties"))
    if columns[0].name != own.primary_key():
        own.fail("the id column must come first", ("schema", 0, "properties"))
    custom = own.custom(own.table, ("schema", 0))
    event_time = custom.pop("event_time", None)
    share = custom.pop("quarantine_share", None)
    network_wide = custom.pop("network_wide", False)
    if custom:
        own.fail(f"unknown property {sorted(custom)[0]}", ("schema", 0, "customProperties"))
    if event_time is not None and event_time not in names:
        own.fail("event_time names no column", ("schema", 0, "customProperties"))
    return Contract(
        feed=name,
        id_column=columns[0].name,
        columns=columns,
        event_time=event_time,
        expectations=(*_implied(columns), *own.expectations(names), *shared.expectations(names)),
        quarantine_share=share,
        network_wide=network_wide,
        version=own.text("version"),
        sha256=hashlib.sha256((text + common).encode()).hexdigest(),
        description=own.data["description"]["purpose"],
    )


def common_text() -> str:
    """YAML of the columns that every feed has."""
    return (files("checks") / "contracts" / f"{COMMON}.yaml").read_text(encoding="utf-8")


def contract_text(feed: str) -> str:
    """YAML of a feed's contract, as shipped."""
    return (files("checks") / "contracts" / f"{feed}.yaml").read_text(encoding="utf-8")


def _implied(columns: tuple[Column, ...]) -> list[Expectation]:
    """What the columns themselves say: readable, filled, in their list, unique, known elsewhere."""
    found = [Expectation(f"{columns[0].name}_unique", "unique", (columns[0].name,), "quarantine")]
    for column in columns:
        name = (column.name,)
        if column.type != "text":
            found.append(Expectation(f"{column.name}_type", "type", name, "quarantine"))
        if column.required:
            found.append(Expectation(f"{column.name}_required", "required", name, "quarantine"))
        if column.closed is not None:
            values = {"value_set": column.closed}
            found.append(
                Expectation(f"{column.name}_in_list", "closed_set", name, "quarantine", values)
            )
        if column.references is not None:
            target = dict(zip(("feed", "column"), column.references, strict=True))
            found.append(Expectation(f"{column.name}_known", "reference", name, "warn", target))
    return found


def _references_first(found: Mapping[str, Contract]) -> list[str]:
    """Clinics, then every feed after those its columns refer to."""
    order: list[str] = []

    def place(feed: str, above: tuple[str, ...]) -> None:
        for column in found[feed].columns:
            target = column.references[0] if column.references else None
            if target in found and target not in (*order, *above, feed):
                place(cast(str, target), (*above, feed))
        if feed not in order:
            order.append(feed)

    for feed in ("clinics", *found):
        place(feed, ())
    return order


def _nearest(name: str, names: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]}?" if near else f"; it has {', '.join(names)}."


class _Reader:
    """Walks one contract's data and complains with file and line."""

    def __init__(self, text: str, name: str) -> None:
        self.name = name
        try:
            self.document = strict_yaml.parse(text)
        except strict_yaml.YamlProblem as problem:
            raise CheckError(f"checks/contracts/{name}.yaml, {problem}.") from None
        self.data: dict[str, Any] = self.document.data
        tables = self.data.get("schema") if isinstance(self.data, dict) else None
        if not isinstance(tables, list) or len(tables) != 1:
            self.fail("a contract describes one table under `schema`", ("schema",))
        self.table: dict[str, Any] = tables[0]

    def fail(self, problem: str, path: strict_yaml.Path) -> NoReturn:
        line = self.document.line(path)
        raise CheckError(f"checks/contracts/{self.name}.yaml, line {line}: {problem}.")

    def text(self, key: str) -> str:
        value = self.data.get(key)
        if not isinstance(value, str):
            self.fail(f"{key} must be text", (key,))
        return value

    def custom(self, part: dict[str, Any], path: strict_yaml.Path) -> dict[str, Any]:
        listed = part.get("customProperties", [])
        return {item["property"]: item["value"] for item in listed}

    def primary_key(self) -> str | None:
        keys = [item["name"] for item in self.table["properties"] if item.get("primaryKey")]
        return keys[0] if len(keys) == 1 else None

    def columns(self) -> list[Column]:
        properties = self.table["properties"]
        return [
            self._column(item, ("schema", 0, "properties", at))
            for at, item in enumerate(properties)
        ]

    def _column(self, item: dict[str, Any], path: strict_yaml.Path) -> Column:
        kind, logical = _TYPES.get(item.get("physicalType", ""), (None, None))
        if kind is None or item.get("logicalType") != logical:
            allowed = ", ".join(_TYPES)
            self.fail(f"physicalType must be one of {allowed}, with its logicalType", path)
        phi = item.get("classification", "none")
        if phi not in get_args(Phi):
            self.fail(f"classification must be one of {', '.join(get_args(Phi))}", path)
        unit = self.custom(item, path).get("unit")
        suggested = next(
            (tuple(arguments["value_set"])
             for rule in item.get("quality", [])
             for name, arguments in rule["implementation"].items()
             if name == "expect_column_values_to_be_in_set"),
            None,
        )  # fmt: skip
        related = item.get("relationships")
        feed, _, column = related[0]["to"].partition(".") if related else ("", "", "")
        return Column(
            name=item["name"],
            type=kind,
            required=bool(item.get("required", False)),
            unit=unit,
            phi=phi,
            closed=tuple(value["value"] for value in item["enum"]) if "enum" in item else None,
            suggested=suggested,
            references=(feed, column) if related else None,
            description=item.get("description", ""),
        )

    def expectations(self, names: list[str]) -> list[Expectation]:
        found = []
        for at, item in enumerate(self.table["properties"]):
            path = ("schema", 0, "properties", at, "quality")
            for rule in item.get("quality", []):
                found.append(self._expectation(rule, (item["name"],), names, path))
        for rule in self.table.get("quality", []):
            found.append(self._expectation(rule, (), names, ("schema", 0, "quality")))
        return found

    def _expectation(
        self,
        rule: dict[str, Any],
        columns: tuple[str, ...],
        names: list[str],
        path: strict_yaml.Path,
    ) -> Expectation:
        ((what, parameters),) = rule["implementation"].items()
        kind, allowed = _RULES.get(what, (None, frozenset()))
        if kind is None:
            self.fail(f"{what} is not one of {', '.join(_RULES)}", path)
        if set(parameters) - allowed:
            self.fail(f"{what} takes only {', '.join(sorted(allowed))}", path)
        if kind == "order":
            columns = (parameters["column_A"], parameters["column_B"])
        if set(columns) - set(names):
            self.fail(f"{rule['name']} names a column that is not there", path)
        severity = rule.get("severity")
        if severity not in get_args(Severity):
            self.fail(f"severity must be one of {', '.join(get_args(Severity))}", path)
        share = float(rule.get("mustBeLessOrEqualTo", 0)) / 100
        return Expectation(rule["name"], kind, columns, cast(Severity, severity), parameters, share)
