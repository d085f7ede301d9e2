"""Foreign exports: SQL turns another layout into feeds, and every input row is accounted for."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.errors import KeelError, SourceFailed
from flows.settings import SourceSettings
from flows.sources.foreign import Conversion, ForeignAccount, convert

VITALS = """pid,taken,sys,kind
p1,2026-01-01T09:00,120,bp
p2,2026-01-01T09:05,131,bp
p3,2026-01-01T09:10,secret,bp
,,,total
p4,2026-01-01T09:20,,weight
"""

SELECT = """-- One row is one blood pressure.
-- derived: measured_at: the hour that the sheet was filled in
SELECT _file || _row AS vital_id, pid AS session_id, taken AS measured_at, sys AS systolic_mmhg,
    _file, _row
FROM sheet WHERE kind = 'bp'
"""


def source(folder: Path, sql: str = SELECT, **changed: Any) -> SourceSettings:
    """A source with one sheet of vital signs, unless something is changed."""
    (folder / "exports").mkdir(exist_ok=True)
    sheet = folder / "exports" / "sheet.csv"
    if not sheet.exists():
        sheet.write_text(VITALS)
    (folder / "vitals.sql").write_text(sql)
    values: dict[str, Any] = {
        "system": "sheets",
        "clinic": "north",
        "files": {"sheet": "exports/*.csv"},
        "skip": {"sheet": {"sum_line": "kind = 'total'"}},
        "select": {"vitals": Path("vitals.sql")},
    }
    return SourceSettings.model_validate(values | changed)


def refusal(folder: Path, sql: str = SELECT, **changed: Any) -> str:
    """What a person is told of a source that cannot be converted."""
    with pytest.raises(KeelError) as caught:
        convert(source(folder, sql, **changed), folder)
    assert caught.value.__cause__ is None
    assert "secret" not in str(caught.value)
    return str(caught.value)


def rows(found: Conversion) -> list[dict[str, Any]]:
    return [row for batch in found.batches for row in batch.rows.to_pylist()]


def test_a_select_gives_a_feeds_columns_as_text(tmp_path: Path) -> None:
    (batch,) = convert(source(tmp_path), tmp_path).batches
    assert (batch.clinic_id, batch.feed) == ("north", "vitals")
    assert batch.label == "sheets/vitals/sheet.csv"
    assert batch.rows.to_pylist()[0] == {
        "vital_id": "sheet.csv1",
        "session_id": "p1",
        "measured_at": "2026-01-01T09:00",
        "systolic_mmhg": "120",
        "_file": "sheet.csv",
        "_row": 1,
    }
    assert batch.derived == {"measured_at": "the hour that the sheet was filled in"}


def test_each_input_row_is_used_skipped_or_quarantined(tmp_path: Path) -> None:
    (account,) = convert(source(tmp_path), tmp_path).accounts
    assert account == ForeignAccount(
        table="sheet", file="sheet.csv", rows=5, used=3, skipped={"sum_line": 1}, quarantined=1,
        unused=(5,),
    )  # fmt: skip


def test_a_row_used_twice_is_used_once(tmp_path: Path) -> None:
    twice = "SELECT pid || n AS vital_id, _file, _row FROM sheet, (VALUES (1), (2)) t(n)"
    found = convert(source(tmp_path, twice), tmp_path)
    assert len(rows(found)) == 8
    assert (found.accounts[0].used, found.accounts[0].quarantined) == (4, 0)


def test_the_first_predicate_that_holds_names_the_skip(tmp_path: Path) -> None:
    skip = {"sheet": {"empty": "pid IS NULL", "sum_line": "kind = 'total'"}}
    (account,) = convert(source(tmp_path, skip=skip), tmp_path).accounts
    assert account.skipped == {"empty": 1}


def test_instants_and_dates_become_text_that_a_feed_reads(tmp_path: Path) -> None:
    select = (
        "SELECT pid AS vital_id, (taken || '+02:00')::TIMESTAMPTZ AS measured_at, "
        "taken::TIMESTAMP AS recorded_at, _file, _row FROM sheet WHERE pid = 'p1'"
    )
    (row,) = rows(convert(source(tmp_path, select), tmp_path))
    assert row["measured_at"] == "2026-01-01T07:00:00.000000Z"
    assert row["recorded_at"] == "2026-01-01 09:00:00"


def test_constants_system_and_clinic_are_the_table_source(tmp_path: Path) -> None:
    select = "SELECT system || clinic || ward AS vital_id, _file, _row FROM sheet, source LIMIT 1"
    found = convert(source(tmp_path, select, constants={"ward": 7}), tmp_path)
    assert rows(found)[0]["vital_id"] == "sheetsnorth7"


def test_several_files_of_a_table_are_a_batch_each(tmp_path: Path) -> None:
    layout = source(tmp_path, files={"sheet": "exports/*/day.csv"})
    for day in ("02", "01"):
        (tmp_path / "exports" / day).mkdir()
        (tmp_path / "exports" / day / "day.csv").write_text(VITALS)
    (tmp_path / "exports" / "01" / ".day.csv").write_text("a copy under way")
    found = convert(layout, tmp_path)
    assert [batch.label for batch in found.batches] == [
        "sheets/vitals/01/day.csv", "sheets/vitals/02/day.csv"
    ]  # fmt: skip
    assert [account.rows for account in found.accounts] == [5, 5]


def test_a_later_file_leaves_the_earlier_batch_as_it_was(tmp_path: Path) -> None:
    before = convert(source(tmp_path), tmp_path).batches
    (tmp_path / "exports" / "sheet_2.csv").write_text(VITALS.replace("120", "121"))
    after = convert(source(tmp_path), tmp_path).batches
    assert [batch.sha256 for batch in after[:1]] == [batch.sha256 for batch in before]
    assert len({batch.sha256 for batch in after}) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"select": SELECT.replace("kind = 'bp'", "pid = 'p1'")},
        {"select": SELECT.replace("the hour", "the minute")},
        {"select": SELECT.replace("AS session_id", "AS session_id, 'sitting' AS position")},
        {"skip": {"sheet": {"first": "pid = 'p1'"}}},
        {"file": VITALS.replace("120", "119")},
    ],
)
def test_what_changes_the_rows_or_their_derivation_makes_a_new_batch(
    tmp_path: Path, changed: Mapping[str, Any]
) -> None:
    (before,) = convert(source(tmp_path), tmp_path).batches
    if "file" in changed:
        (tmp_path / "exports" / "sheet.csv").write_text(changed["file"])
    skip = {"skip": changed["skip"]} if "skip" in changed else {}
    (after,) = convert(source(tmp_path, changed.get("select", SELECT), **skip), tmp_path).batches
    assert before.sha256 != after.sha256


def test_a_select_without_rows_is_a_delivery_without_rows(tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "sheet.csv").write_text("pid,taken,sys,kind\n")
    found = convert(source(tmp_path), tmp_path)
    assert [(batch.label, batch.rows.num_rows) for batch in found.batches] == [("sheets/vitals", 0)]
    assert [account.rows for account in found.accounts] == [0]


@pytest.mark.parametrize(
    "text",
    [
        "COPY sheet TO 'stolen.csv'",
        "ATTACH 'stolen.db'",
        "SELECT 1; SELECT 2",
        "SELECT 1); COPY sheet TO 'stolen.csv'; SELECT * FROM (SELECT 2",
        "CREATE TABLE x AS SELECT 1",
        "INSERT INTO sheet SELECT * FROM sheet",
        "DROP TABLE sheet",
        "SET enable_external_access = true",
        "INSTALL httpfs",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "EXPORT DATABASE 'stolen'",
        "this is no SQL",
        "",
    ],
)
def test_anything_but_one_select_is_refused(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text) == (
        "source sheets: the SQL of vitals must be one SELECT and nothing else."
    )
    assert not (tmp_path / "stolen.csv").exists()


@pytest.mark.parametrize(
    "relation",
    [
        "'{0}/exports/sheet.csv'",
        "read_csv('{0}/exports/sheet.csv')",
        "read_text('{0}/exports/sheet.csv')",
        "read_parquet('{0}/exports/sheet.parquet')",
        "glob('{0}/*')",
        "read_csv('https://example.org/x.csv')",
    ],
)
def test_a_select_reaches_no_file_and_no_address(tmp_path: Path, relation: str) -> None:
    text = f"SELECT pid AS vital_id, _file, _row FROM {relation.format(tmp_path)}"
    assert "it may read only the tables of [source.files]" in refusal(tmp_path, text)


def test_python_objects_are_out_of_reach(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path, "SELECT * FROM tables")


@pytest.mark.parametrize(
    "predicate",
    [
        "kind = 'total') , (true",
        "true) FROM read_csv('x') WHERE (true",
        "pid IN (SELECT pid FROM sheet)",
        "EXISTS (FROM read_csv('x'))",
        "count(*) > 1",
        "kind = 'total'; DROP TABLE sheet",
        "",
    ],
)
def test_a_skip_is_one_condition_on_the_row(tmp_path: Path, predicate: str) -> None:
    told = refusal(tmp_path, skip={"sheet": {"odd": predicate}})
    assert "odd of [source.skip.sheet] must be one condition" in told


def test_a_predicate_may_end_in_a_comment(tmp_path: Path) -> None:
    skip = {"sheet": {"sum_line": "kind = 'total' -- the last line"}}
    assert convert(source(tmp_path, skip=skip), tmp_path).accounts[0].skipped == {"sum_line": 1}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "SELECT sys::INTEGER AS systolic_mmhg, _file, _row FROM sheet",
            "a value is not of the type that it is cast to; use try_cast",
        ),
        ("SELECT error(sys) AS vital_id, _file, _row FROM sheet", "DuckDB refuses a value in it"),
        ("SELECT strptime(sys, '%Y') AS measured_at, _file, _row FROM sheet", "refuses a value"),
        ("SELECT sistole AS vital_id, _file, _row FROM sheet", '"sistole" not found'),
        ("SELECT pid AS vital_id FROM shet", "Table with name shet does not exist"),
    ],
)
def test_why_a_select_fails_is_said_without_a_value(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "SELECT pid AS systolic_mmgh, _file, _row FROM sheet",
            "gives systolic_mmgh, which is not there; did you mean systolic_mmhg?",
        ),
        ("SELECT 'x' AS clinic_id, _file, _row FROM sheet", "gives clinic_id, which is not"),
        ("SELECT pid AS vital_id, _row FROM sheet", "must give _file"),
        ("SELECT pid AS vital_id, _file FROM sheet", "must give _row"),
        ("SELECT pid AS vital_id, sys AS vital_id, _file, _row FROM sheet", "vital_id twice"),
        ("SELECT pid AS vital_id, _file, 99 AS _row FROM sheet", "those of no input row"),
        ("SELECT pid AS vital_id, NULL AS _file, _row FROM sheet", "those of no input row"),
        (
            'SELECT pid AS vital_id, _file, _row FROM "sheet with skipped"',
            "those of no input row",
        ),
        (
            "-- derived: measured_on: guess\nSELECT taken AS measured_at, _file, _row FROM sheet",
            "tells of measured_on, which is not there; did you mean measured_at?",
        ),
    ],
)
def test_what_a_select_gives_is_checked(tmp_path: Path, text: str, told: str) -> None:
    assert told in refusal(tmp_path, text)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"files": {"sheet": "exports/*.xlsx"}}, "exports/*.xlsx finds no file for sheet"),
        ({"files": {"sheet": "nowhere/*.csv"}}, "nowhere/*.csv finds no file for sheet"),
        ({"files": {}}, "[source.files] is empty"),
        ({"files": {"source": "exports/*.csv"}}, "names 'source'"),
        ({"files": {"a b": "exports/*.csv"}}, "names 'a b'"),
        ({"files": {"sheet": "*.sql"}}, "vitals.sql is none of"),
        (
            {"files": {"sheet": "exports/*.csv", "again": "exports/sheet.csv"}},
            "sheet.csv is in two tables, sheet and again",
        ),
        ({"skip": {"shet": {"x": "true"}}}, "names shet, which is not there; did you mean sheet?"),
        ({"skip": {"sheet": {"x": "kynd = 'a'"}}}, '"kynd" not found'),
        ({"skip": {"sheet": {"x": "sys::INTEGER > 1"}}}, "a value is not of the type"),
        ({"select": {"vital": Path("vitals.sql")}}, "names vital, which is not there"),
        ({"select": {"vitals": Path("absent.sql")}}, "absent.sql cannot be read"),
        ({"select": {}}, "no SELECT fills a feed"),
        ({"system": "../ops", "select": {}}, "no SELECT fills a feed"),
        ({"clinic": "../north"}, "clinic must be letters"),
    ],
)
def test_settings_that_are_wrong_are_told_by_name(
    tmp_path: Path, changed: Mapping[str, Any], told: str
) -> None:
    assert told in refusal(tmp_path, **changed)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"pid,kind\nsecret,bp,1\n", "sheet.csv: line 2 has other fields"),
        (b"pid,kind\nsecret\xff,bp\n", "is not UTF-8"),
        (b"pid,pid\nsecret,bp\n", "have the same name"),
        (b"pid,_row\nsecret,bp\n", "its header has _row, which Keel adds itself"),
        (b"", "sheet.csv: it is empty"),
    ],
)
def test_a_file_that_is_broken_is_told_by_name(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "sheet.csv").write_bytes(content)
    assert told in refusal(tmp_path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    source(tmp_path)
    shutil.move(tmp_path / "exports" / "sheet.csv", tmp_path / "elsewhere.csv")
    (tmp_path / "exports" / "sheet.csv").symlink_to(tmp_path / "elsewhere.csv")
    layout = SourceSettings(
        system="sheets", clinic="north", files={"sheet": "exports/*.csv"},
        select={"vitals": Path("vitals.sql")},
    )  # fmt: skip
    with pytest.raises(SourceFailed, match="a link is refused"):
        convert(layout, tmp_path)


def test_files_that_spell_a_column_in_two_ways_are_refused(tmp_path: Path) -> None:
    layout = source(tmp_path)
    (tmp_path / "exports" / "sheet_2.csv").write_text("PID,taken\np1,2026-01-01T09:00\n")
    with pytest.raises(SourceFailed, match="spell a column in two ways"):
        convert(layout, tmp_path)


KINDS = st.lists(st.sampled_from(["bp", "total", "weight", "", "'", '"', "é"]), max_size=12)


@settings(max_examples=25)
@given(files=st.lists(KINDS, min_size=1, max_size=3))
def test_the_account_always_adds_up(
    files: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("sheets")
    (folder / "exports").mkdir()
    for number, kinds in enumerate(files):
        lines = "".join('p,"' + kind.replace('"', '""') + '"\n' for kind in kinds)
        (folder / "exports" / f"{number}.csv").write_text("pid,kind\n" + lines, encoding="utf-8")
    select = "SELECT _file || _row AS vital_id, _file, _row FROM sheet WHERE kind = 'bp'"
    found = convert(source_without_sheet(folder, select), folder)
    for kinds, account in zip(files, found.accounts, strict=True):
        assert account.rows == len(kinds)
        assert account.used == kinds.count("bp")
        assert sum(account.skipped.values()) == kinds.count("total")
        assert account.quarantined == len(kinds) - kinds.count("bp") - kinds.count("total")
        assert [kinds[row - 1] in ("bp", "total") for row in account.unused] == (
            [False] * account.quarantined
        )
    assert len(rows(found)) == sum(kinds.count("bp") for kinds in files)


def source_without_sheet(folder: Path, select: str) -> SourceSettings:
    found = source(folder, select)
    (folder / "exports" / "sheet.csv").unlink()
    return found


def test_two_clinics_with_the_same_rows_have_two_batches(tmp_path: Path) -> None:
    (north,) = convert(source(tmp_path), tmp_path).batches
    (south,) = convert(source(tmp_path, clinic="south"), tmp_path).batches
    assert north.sha256 != south.sha256
