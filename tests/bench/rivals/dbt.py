"""dbt-duckdb projects as one would write them: sources, models, tests.

Tests only warn, as the sample network holds planted errors and dbt would skip what depends on a
failed one. Each contract's required columns, ids, closed sets and references become dbt's tests.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from checks.contract import Contract, contract
from tests.bench.child import Ended, run
from tests.bench.rivals.conditions import CONDITIONS, four_conditions
from tests.bench.rivals.environments import environment
from tests.bench.rivals.typed_sql import delivered, source, typed

QUIET = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "false", "DO_NOT_TRACK": "1"}
MODEL = "four_conditions"


def build(project: Path) -> Ended:
    """`dbt build`: every model and every test."""
    return _dbt(project, "build")


def start_up(project: Path) -> Ended:
    """dbt reads the project and does nothing."""
    return _dbt(project, "parse")


def rules_project(folder: Path, database: Path) -> Path:
    """The four conditions as a model over tables that are already there."""
    tables = [{"name": feed} for feed in ("sessions", "vitals", "doses")]
    sources = [{"name": "facts", "schema": "main", "tables": tables}]
    named = (f"{{{{ source('facts', '{feed}') }}}}" for feed in ("sessions", "vitals", "doses"))
    return _project(folder, database, sources, {MODEL: four_conditions(*named)}, [_model()])


def night_project(folder: Path, database: Path, landing: Path) -> Path:
    """Every feed as a source over its CSV files and a typed model; then the four conditions."""
    feeds = delivered(landing)
    tables = [
        {"name": feed, "config": {"meta": {"external_location": source(landing, feed)}}}
        for feed in feeds
    ]
    models = {
        feed: typed(feed, columns, f"{{{{ source('exports', '{feed}') }}}}")
        for feed, columns in feeds.items()
    }
    named = (f"{{{{ ref('{feed}') }}}}" for feed in ("sessions", "vitals", "doses"))
    models[MODEL] = four_conditions(*named)
    tested = [_tested(contract(feed), columns, set(feeds)) for feed, columns in feeds.items()]
    sources = [{"name": "exports", "tables": tables}]
    return _project(folder, database, sources, models, [*tested, _model()])


def _tested(held: Contract, columns: list[str], feeds: set[str]) -> dict[str, Any]:
    tests: dict[str, list[Any]] = {held.id_column: ["unique"]}
    for expectation in held.expectations:
        name = expectation.columns[0] if expectation.columns else ""
        if name not in columns:
            continue
        if expectation.kind == "required":
            tests.setdefault(name, []).append("not_null")
        elif expectation.kind == "closed_set":
            allowed = {"values": list(expectation.parameters["value_set"])}
            tests.setdefault(name, []).append({"accepted_values": {"arguments": allowed}})
    for column in held.columns:
        if column.references and column.name in columns and column.references[0] in feeds:
            to, field = column.references
            arguments = {"to": f"ref('{to}')", "field": field}
            tests.setdefault(column.name, []).append({"relationships": {"arguments": arguments}})
    return {"name": held.feed, "columns": [
        {"name": name, "data_tests": listed} for name, listed in tests.items()
    ]}  # fmt: skip


def _model() -> dict[str, Any]:
    names = ("clinic_id", "session_id", *CONDITIONS)
    return {"name": MODEL, "columns": [
        {"name": name, "data_tests": ["not_null", *(["unique"] if name == "session_id" else [])]}
        for name in names
    ]}  # fmt: skip


def _project(
    folder: Path, database: Path, sources: list[dict[str, Any]], models: dict[str, str],
    tested: list[dict[str, Any]],
) -> Path:  # fmt: skip
    """Write the project; JSON is YAML too."""
    (folder / "models").mkdir(parents=True)
    for name, text in models.items():
        (folder / "models" / f"{name}.sql").write_text(text, encoding="utf-8")
    output = {"type": "duckdb", "path": str(database), "threads": os.cpu_count() or 1}
    _write(folder / "profiles.yml", {"bench": {"target": "it", "outputs": {"it": output}}})
    _write(folder / "dbt_project.yml", {
        "name": "bench", "version": "1.0.0", "profile": "bench",
        "models": {"+materialized": "table"}, "data_tests": {"+severity": "warn"},
    })  # fmt: skip
    _write(folder / "models" / "schema.yml", {"sources": sources, "models": tested})
    return folder


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")


def _dbt(project: Path, verb: str) -> Ended:
    return run(
        [environment("dbt") / "dbt", "--no-use-colors", verb, "--project-dir", project,
         "--profiles-dir", project],
        cwd=project, env=QUIET,
    )  # fmt: skip
