"""Files are data: 300 payloads more, beside those for expressions, read nothing, call nobody, end."""  # noqa: E501

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from checks.strict_yaml import YamlProblem, parse
from flows.sources import sandbox as sandboxed
from flows.sources.sandbox import is_one_condition, is_one_select, plain_reason, sandbox
from tests.privacy.hostile import ENDLESS, FORMULAS, MARKUP, SECRET, SELECTS, YAML, YAML_PLAIN

SHEET = {"sheet": pa.table({"pid": ["p1", "p2"], "_file": ["a", "a"], "_row": ["1", "2"]})}


def test_they_are_three_hundred() -> None:
    payloads = [*YAML, *YAML_PLAIN, *SELECTS, *ENDLESS, *MARKUP, *FORMULAS]
    assert len(set(payloads)) == len(payloads) >= 300


@contextmanager
def quick(seconds: float) -> Iterator[None]:
    """At most so much of the processor's time."""
    began = resource.getrusage(resource.RUSAGE_SELF)
    yield
    ended = resource.getrusage(resource.RUSAGE_SELF)
    assert ended.ru_utime - began.ru_utime < seconds


@pytest.mark.parametrize("at", range(len(YAML)))
def test_yaml_is_refused_at_once(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with quick(5), pytest.raises(YamlProblem):
        parse(YAML[at])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("at", range(len(YAML_PLAIN)))
def test_odd_yaml_is_plain_data(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with quick(5):
        assert isinstance(parse(YAML_PLAIN[at]).data["a"], str | int | float)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def db() -> Iterator[duckdb.DuckDBPyConnection]:
    with sandbox(SHEET, {"system": "x"}) as made:
        yield made


@pytest.mark.parametrize("at", range(len(SELECTS)))
def test_a_select_reaches_nothing(
    db: duckdb.DuckDBPyConnection, at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is no SELECT, or DuckDB refuses it, and what is told of that quotes nothing."""
    monkeypatch.setenv("KEEL_SECRET", SECRET)
    (tmp_path / "secret.csv").write_text(f"a,b\n{SECRET},2\n")
    text = SELECTS[at].replace("{folder}", str(tmp_path))
    with quick(5):
        if is_one_select(text):
            with pytest.raises(duckdb.Error) as refused:
                db.execute(text).fetchall()
            assert SECRET not in plain_reason(refused.value)
        is_one_condition(text)
    assert [path.name for path in tmp_path.iterdir()] == ["secret.csv"]


def test_the_configuration_is_locked(db: duckdb.DuckDBPyConnection) -> None:
    settings = dict(
        db.execute(
            "SELECT name, value FROM duckdb_settings() WHERE name IN ('enable_external_access', "
            "'lock_configuration', 'python_enable_replacements', 'temp_directory')"
        ).fetchall()
    )
    assert settings == {
        "enable_external_access": "false", "lock_configuration": "true",
        "python_enable_replacements": "false", "temp_directory": "",
    }  # fmt: skip
    for text in ("SET enable_external_access = true", "SET lock_configuration = false",
                 "SET memory_limit = '9GB'", "SET allowed_directories = ['/']"):  # fmt: skip
        with pytest.raises(duckdb.Error, match="lock"):
            db.execute(text)


@pytest.mark.parametrize("at", range(len(ENDLESS)))
def test_what_never_ends_is_stopped(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In time or for its memory; what comes after the time is stopped as well."""
    monkeypatch.setattr(sandboxed, "MOST_SECONDS", 0.5)
    monkeypatch.setattr(sandboxed, "MOST_MEMORY", "80MB")
    assert is_one_select(ENDLESS[at])
    with sandbox(SHEET, {"system": "x"}) as db:
        for _ in range(2):
            with pytest.raises(duckdb.Error) as stopped:
                db.execute(f"CREATE OR REPLACE TABLE given AS {ENDLESS[at]}")
            told = plain_reason(stopped.value)
            assert "make it simpler" in told or stopped.type is duckdb.InvalidInputException
