"""Expressions that try for more than an expression: each is refused when the file is loaded."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from protocols.errors import ProtocolError
from protocols.load import load_protocol

FUNCTIONS = [
    "length(drug) > 1", "upper(status) = 'X'", "lower(status) = 'x'", "concat(status, 'x') = 'y'",
    "substr(status, 1, 2) = 'ab'", "substring(status from 1 for 2) = 'ab'", "trim(status) = 'x'",
    "replace(status, 'a', 'b') = 'c'", "regexp_matches(status, '.*')", "status similar to 'x'",
    "regexp_replace(status, 'a', 'b') = 'c'", "status ~ 'x'", "status ilike 'x%'",
    "status glob 'x*'", "starts_with(status, 'c')", "contains(status, 'c')",
    "sqrt(weight_kg) > 1", "power(weight_kg, 2) > 1", "pow(weight_kg, 2) > 1", "ln(weight_kg) > 1",
    "exp(weight_kg) > 1", "floor(weight_kg) > 1", "ceil(weight_kg) > 1", "trunc(weight_kg) > 1",
    "sign(weight_kg) > 0", "mod(weight_kg, 2) = 0", "weight_kg % 2 = 0", "weight_kg // 2 = 1",
    "weight_kg ** 2 > 1", "weight_kg ^ 2 > 1", "weight_kg & 1 = 1", "weight_kg | 1 = 1",
    "weight_kg << 1 > 1", "~weight_kg > 1", "@weight_kg > 1", "random() > 0.5", "setseed(0.5)",
    "uuid() = status", "hash(status) > 1", "md5(status) = 'x'", "sha256(status) = 'x'",
    "nullif(weight_kg, 1) > 1", "ifnull(weight_kg, 1) > 1", "nvl(weight_kg, 1) > 1",
    "if(true, 1, 2) = 1", "iff(true, 1, 2) = 1", "typeof(status) = 'x'", "error('stop')",
    "date_trunc('day', started_at) = started_at", "date_diff('day', started_at, ended_at) > 1",
    "date_part('hour', started_at) > 1", "extract(hour from started_at) > 1",
    "year(started_at) > 2000", "hour(started_at) > 1", "dayofweek(started_at) = 1",
    "strftime(started_at, '%Y') = '2025'", "strptime('2025', '%Y') = started_at",
    "make_date(2025, 1, 1) = local_date", "epoch(started_at) > 1", "age(started_at) > 1",
    "started_at at time zone 'UTC' = started_at", "timezone('UTC', started_at) = started_at",
    "current_setting('x') = 'y'", "getenv('HOME') = 'x'", "getvariable('x') = 1",
    "least(weight_kg, length(status)) > 1", "coalesce(getenv('HOME'), 'x') = 'x'",
    "abs(sqrt(weight_kg)) > 1", "round(random(), 1) > 1", "case when random() > 1 then true end",
    "to_json(status) = 'x'", "json_extract(status, '$.x') = 'y'", "status -> '$.x' = 'y'",
    "status ->> '$.x' = 'y'", "query('select 1')", "in_search_path('x', 'y')", "txid_current() > 1",
    "pg_typeof(status) = 'x'", "array_length([1], 1) = 1", "unnest([1]) = 1", "range(3) = 1",
    "generate_series(1, 3) = 1", "sleep_ms(1000) = 1", "pg_sleep(1) = 1", "nextval('x') = 1",
    "currval('x') = 1", "list_value(1) = 1", "list_contains([1], 1)", "round(weight_kg, 99) = 1",
    "round(weight_kg, 99999999999999) = 1", "round(weight_kg, -1) = 1", "round(weight_kg, 1, 2) = 1",
    "round(weight_kg, dose_count) = 1",
]  # fmt: skip
SUBQUERIES = [
    "(select 1) = 1", "exists (select 1)", "not exists (select 1)", "weight_kg in (select 1)",
    "weight_kg = any (select 1)", "weight_kg > all (select 1)", "weight_kg = some (select 1)",
    "weight_kg in (values (1))", "(values (1)) = 1", "(from patients) = 1", "(table patients) = 1",
    "(with x as (select 1) select * from x) = 1", "(select phone from patients limit 1) = '1'",
    "(select max(weight_kg) from sessions) > 1", "weight_kg in patients", "weight_kg = any ([1, 2])",
    "(select 1 union select 2) = 1", "array(select 1) = 1", "1) union select (1",
    "1) from patients where (true", "true) limit (1", "true) order by (1", "true) group by (1",
    "true) having (true", "true), (select 1", "true) as (x", "true) from facts.patients --",
    "(describe patients) = 1", "(summarize patients) = 1", "(pivot patients on sex) = 1",
    "(show tables) = 1",
]  # fmt: skip
WINDOWS = [
    "row_number() over () = 1", "rank() over (order by weight_kg) = 1", "sum(weight_kg) over () > 1",
    "lag(weight_kg) over (order by started_at) > 1", "lead(weight_kg) over () > 1",
    "first_value(weight_kg) over () > 1", "ntile(4) over () = 1", "count(*) over () > 1",
    "max(weight_kg) over (partition by patient_id) > 1", "weight_kg over () > 1",
    "sum(weight_kg) over w > 1", "cume_dist() over () > 0.5",
    "avg(weight_kg) over (rows between 1 preceding and current row) > 1",
]  # fmt: skip
AGGREGATES = [
    "count(*) > 1", "count(weight_kg) > 1", "count(distinct status) > 1", "sum(weight_kg) > 1",
    "avg(weight_kg) > 1", "min(weight_kg) > 1", "max(weight_kg) > 1", "median(weight_kg) > 1",
    "stddev(weight_kg) > 1", "quantile(weight_kg, 0.5) > 1", "mode(status) = 'x'",
    "list(status) = 'x'", "array_agg(status) = 'x'", "string_agg(status, ',') = 'x'",
    "any_value(status) = 'x'", "first(status) = 'x'", "last(status) = 'x'", "bool_and(true)",
    "bool_or(true)", "approx_count_distinct(status) > 1", "histogram(status) = 'x'",
    "arg_max(status, weight_kg) = 'x'", "sum(weight_kg) filter (where true) > 1",
    "grouping(status) = 1",
]  # fmt: skip
CLOCKS = [
    "now() > started_at", "current_timestamp > started_at", "current_date > local_date",
    "current_time > started_at", "localtime > started_at", "localtimestamp > started_at",
    "today() > local_date", "get_current_timestamp() > started_at", "transaction_timestamp() > now()",
    "CURRENT_TIMESTAMP > started_at", "current_timestamp() > started_at", "clock_timestamp() > now()",
    "date 'today' > local_date", "date 'now' > local_date", "timestamptz 'now' > started_at",
    "timestamp '2025-01-01' > started_at", "time '10:00' > started_at",
    "timestamptz 'epoch' > started_at", "timestamptz 'infinity' > started_at",
    "interval '1 month' > interval '1 day'", "interval 1 year > interval 1 day",
    "interval weight_kg hours > interval 1 day", "interval '1e300' days > interval 1 day",
    "interval '9999999999999999' days > interval 1 day", "interval 'x' days > interval 1 day",
    "interval '1 day 2 hours' > interval 1 day", "date '2025-02-30' = local_date",
    "date '99999-01-01' = local_date", "timestamptz '0001-01-01T00:00:00+14:00' < started_at",
]  # fmt: skip
FILES = [
    "read_csv('/etc/passwd') = 1", "read_csv_auto('x.csv') = 1", "read_parquet('x') = 1",
    "read_json('x') = 1", "read_text('/etc/passwd') = 'x'", "read_blob('/etc/passwd') = 'x'",
    "glob('/*') = 'x'", "glob('**') is not null", "parquet_scan('x') = 1", "sniff_csv('x') = 1",
    "'/etc/passwd' in (from read_text('/etc/passwd'))", "(from 'x.csv') = 1",
    "(select * from '/etc/passwd') = 1", "(select content from read_text('x')) = 'y'",
    "sqlite_scan('x', 'y') = 1", "postgres_scan('x', 'y', 'z') = 1", "iceberg_scan('x') = 1",
    "getenv('KEEL_WAREHOUSE') = 'x'", "parse_path('/etc') = 'x'", "write_log('x')",
]  # fmt: skip
STATEMENTS = [
    "pragma version", "pragma database_list", "attach 'x.duckdb'", "attach 'x' as y", "detach y",
    "copy patients to 'x.csv'", "copy (select 1) to 'x'", "export database 'x'",
    "import database 'x'", "set memory_limit = '1GB'", "set threads = 1", "reset threads",
    "install httpfs", "load httpfs", "create table x (a int)", "create macro f(a) as a",
    "drop table patients", "delete from patients", "insert into patients values (1)",
    "update patients set phone = ''", "alter table patients rename to x", "truncate patients",
    "call pragma_version()", "checkpoint", "vacuum", "explain select 1", "begin", "rollback",
    "use facts", "execute x", "prepare x as select 1", "grant all on x to y", "select 1",
    "from patients", "true; drop table patients", "true; select 1", "true;", ";", ";true",
    "true; attach 'x'", "true); drop table patients; select (true", "1; pragma version; select 2",
    "true;;", "set variable x = 1", "comment on table x is 'y'", "kill 1",
]  # fmt: skip
COMMENTS = [
    "true -- and false", "true /* and false */", "/* x */ true", "-- x\ntrue", "true --",
    "weight_kg > 1 -- phone", "weight_kg /* , phone */ > 1", "true /*+ hint */", "/**/ true",
    "true --) from patients", "weight_kg > --1\n 2", "/* /* nested */ */ true", "true /* open",
    "weight_kg between 1 /* 2 */ and 3",
]  # fmt: skip
LAMBDAS = [
    "lambda x: x", "x -> x + 1", "(x, y) -> x", "list_filter([1], lambda x: x > 0)",
    "list_transform([1], x -> x)", "list_reduce([1], lambda x, y: x)", "[x for x in [1]]",
    "[x for x in [1] if x > 0] = [1]", "reduce([1], lambda x, y: x) = 1",
]  # fmt: skip
CASTS = [
    "weight_kg::int > 1", "cast(weight_kg as int) > 1", "cast(weight_kg as varchar) = 'x'",
    "try_cast(status as int) = 1", "status::date = local_date", "started_at::date = local_date",
    "cast(started_at as date) = local_date", "'2025-01-01'::timestamp = started_at",
    "weight_kg::decimal(18, 2) > 1", "weight_kg::hugeint > 1", "status::blob = 'x'",
    "status::json = 'x'", "status::uuid = 'x'", "status::bit = 'x'", "status::inet = 'x'",
    "status::interval > interval 1 day", "'1 day'::interval > interval 1 day",
    "row(1)::struct(a int) = 1", "[1]::int[] = [1]", "'x'::enum('x', 'y') = 'x'",
    "int '5' = weight_kg", "blob 'x' = status", "json '{}' = status", "uuid 'x' = status",
    "cast(null as patients) is null", "status collate nocase = 'x'", "weight_kg::\"phone\" = 1",
]  # fmt: skip
STRUCTURES = [
    "{'a': 1} = 1", "{'a': 1}.a = 1", "struct_pack(a := 1) = 1", "row(1, 2) = 1", "(1, 2) = (1, 2)",
    "[1, 2] = [1, 2]", "[1, 2][1] = 1", "weight_kg[1] = 1", "status[1:2] = 'ab'", "status[1] = 'a'",
    "map {'a': 1} = 1", "map(['a'], [1]) = 1", "patient['phone'] = '1'", "patient.phone.x = '1'",
    "array[1] = 1", "(weight_kg).x = 1", "struct_extract(patient, 'phone') = '1'", "weight_kg, 1",
    "(weight_kg, phone)", "true, true", "union_value(a := 1) = 1", "array_value(1) = 1",
]  # fmt: skip
MACROS = [
    "f(weight_kg)", "main.f(weight_kg)", "weight_kg.abs() > 1", "status.upper() = 'X'",
    "system.main.abs(weight_kg) > 1", "facts.f() = 1", "f() = 1", "f(a := 1) = 1", "$1 = 1",
    "$name = 1", "? = 1", ":name = 1", "@name = 1", "@@version = 1", "#1 = 1", "{{ phone }} = 1",
    "{% phone %} = 1", "${phone} = 1", "!weight_kg = 1", "weight_kg <=> 1",
    "weight_kg is distinct from 1", "weight_kg is not distinct from 1", "weight_kg is unknown",
    "status || phone = 'x'", "status like status", "status like 'x' escape '!'",
    "status not like any ('x')", "weight_kg between symmetric 3 and 1", "case weight_kg when 1 then true end",
    "weight_kg as w", "weight_kg w", "true and", "and true", "weight_kg >", "((true)", "(true))",
    "true true", "=", "'open", '"open', "weight_kg = = 1", "", " ", "\n", "()", "(())", ",",
    "not", "1", "'true'", "status", "weight_kg", "interval 1 day",
]  # fmt: skip
STARS = [
    "*", "patient.* = 1", "* = 1", "count(*)", "columns(*) = 1", "columns('phone') = '1'",
    "columns('.*') is not null", "* exclude (phone)", "* replace (1 as phone)", "* like 'x'",
    "coalesce(*) = 1", "least(*) = 1", "greatest(patient.*) = 1", "unpack(*) = 1",
    "*columns(*) = 1", "columns(lambda c: true) = 1", "coalesce(columns(*)) is null",
    "patients.* is null", "facts.patients.* is null",
]  # fmt: skip
IDENTIFYING = ["given_name", "family_name", "postal_code", "phone", "birth_date", "person_id"]
WRITINGS = [
    "{}", "patient.{}", '"{}"', 'patient."{}"', '"patient"."{}"', '"patient.{}"', "patients.{}",
    "facts.patients.{}", "this.{}", "sessions.{}", "clinic.{}", "prescriber.{}", "staff.{}",
    "main.patient.{}", "_{}", "({})", "coalesce({}, {})", "case when true then {} end",
]  # fmt: skip
IDENTIFIERS = [
    f"{writing.replace('{}', name)} is not null" for name in IDENTIFYING for writing in WRITINGS
]
CASES = [
    f"{written} is not null"
    for name in IDENTIFYING
    for written in (
        name.upper(), name.title(), f"PATIENT.{name.upper()}", f'PATIENT."{name.title()}"',
        f"Patient.{name}",
    )
]  # fmt: skip
DEEP = [
    "(" * 41 + "true" + ")" * 41, "(" * 1_900 + "true" + ")" * 1_900, "not " * 900 + "true",
    "- " * 1_500 + "1 = 1", "abs(" * 500 + "1" + ")" * 500 + " = 1", "1" + " + 1" * 990 + " = 1",
    "true" + " and true" * 400, "true" + " or true" * 480, "1" + " * 1" * 900 + " > 0",
    "case when true then " * 130 + "true" + " end" * 130, "coalesce(" * 300 + "1" + ")" * 300,
    "[" * 1_000 + "]" * 1_000, "{'a': " * 500 + "1" + "}" * 500, "(select " * 300 + "1" + ")" * 300,
    "1" + "::int" * 700 + " = 1", "patient" + ".patient" * 400 + " = 1", "(" * 3_999, ")" * 3_999,
    "weight_kg between " * 150 + "1", "weight_kg is " * 200 + "null", "weight_kg" + "[1]" * 900,
    "interval " * 400 + "1 day", "x -> " * 600 + "x",
]  # fmt: skip
LONG = [
    "weight_kg > 1 or " * 300 + "true", "'" + "x" * 5_000 + "' = status", "x" * 4_001,
    "x" * 100_000, "1" * 4_000 + " > weight_kg", "weight_kg > 1e999999", "weight_kg > 1e400",
    " " * 5_000 + "true", "weight_kg in (" + "1, " * 2_000 + "1)", "-" * 3_999, "'" * 3_999,
    "a." * 1_900 + "a", "phone" * 700 + " is null", "/*" * 1_900, ";" * 3_900,
]  # fmt: skip
UNICODE = [
    "ｐｈｏｎｅ is null", "рhone is null", "phоne is null", "phone\u200b is null",
    "\u200bphone is null", "pho\u00adne is null", "phone\u0301 is null", "PHONE\u202e is null",
    "patient\uff0ephone is null", "patient\u2024phone is null", "\ufeffphone is null",
    "weight_kg\u00a0> 1", "weight_kg\u2003> 1", "weight_kg > 1\u2028", "weight_kg > \uff11",
    "weight_kg > \u0661", "weight_kg > \u00b2", "weight_kg \uff1e 1", "weight_kg \u2265 1",
    "status = \u2018x\u2019", "status = \u201cx\u201d", "status = \uff07x\uff07",
    "true\uff1b drop table x", "\u202etrue", "tru\u0435", "status = 'a\u202eb'", "ﬁrst is null",
    "patient.ⓟhone is null", "𝓅𝒽ℴ𝓃ℯ is null", "weight_kg > 1 \U000e0041",
]  # fmt: skip
NULLS = [
    "\0", "true\0", "\0true", "pho\0ne is null", "phone\0 is null", "status = '\0'", "tr\0ue",
    "true \x1b[31m", "true \x07", "true\x7f", "weight_kg > \x001", "status = 'a\x00b'", "\x1a",
    "true\x0b", "true\x0c", "\x85true", "true\x08\x08\x08\x08false",
]  # fmt: skip
FAMILIES = {
    "function": FUNCTIONS, "subquery": SUBQUERIES, "window": WINDOWS, "aggregate": AGGREGATES,
    "clock": CLOCKS, "file": FILES, "statement": STATEMENTS, "comment": COMMENTS,
    "lambda": LAMBDAS, "cast": CASTS, "structure": STRUCTURES, "macro": MACROS, "star": STARS,
    "identifier": IDENTIFIERS, "case": CASES, "deep": DEEP, "long": LONG, "unicode": UNICODE,
    "null": NULLS,
}  # fmt: skip
HOSTILE = [(family, text) for family, texts in FAMILIES.items() for text in texts]
SECONDS = 1.0


def protocol_file(folder: Path, line: str) -> Path:
    path = folder / "hostile.yaml"
    path.write_text(
        "protocol: hostile\nversion: 1.0.0\ntitle: Hostile\neffective: {from: 2025-01-01}\n"
        f"drug: ketamine\nrules:\n{line}\n",
        encoding="utf-8",
    )
    return path


def refused(path: Path) -> str:
    started = time.process_time()
    with pytest.raises(ProtocolError) as error:
        load_protocol(path)
    assert time.process_time() - started < SECONDS
    said = str(error.value)
    assert said.startswith(f"{path}, line ")
    assert "\n" not in said
    assert said.isprintable()
    assert len(said) < len(str(path)) + 500
    return said


def rule(**parameters: str) -> str:
    head = "  - {id: one, title: One, severity: minor, tier: T4, "
    return head + ", ".join(f"{name}: {text}" for name, text in parameters.items()) + "}"


def quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=True)


def test_there_are_many() -> None:
    assert len(HOSTILE) >= 300
    assert len({text for _, text in HOSTILE}) == len(HOSTILE)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_hostile_is_refused_as_a_condition(tmp_path: Path, family: str) -> None:
    for text in FAMILIES[family]:
        refused(protocol_file(tmp_path, rule(kind="value", expr="weight_kg", max="300",
                                             when=quoted(text))))  # fmt: skip


@pytest.mark.parametrize("place", ["among", "where"])
@pytest.mark.parametrize("family", ["identifier", "case", "file", "clock", "star"])
def test_what_is_hostile_is_refused_over_feed_rows(tmp_path: Path, family: str, place: str) -> None:
    for text in FAMILIES[family][::3]:
        told = {"kind": "occurrence", "of": "vitals", place: quoted(text)}
        refused(protocol_file(tmp_path, rule(**told)))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_hostile_is_no_anchor(tmp_path: Path, family: str) -> None:
    for text in FAMILIES[family][::5]:
        refused(protocol_file(tmp_path, rule(kind="elapsed", to="ended_at", max="1h",
                                             **{"from": quoted(text)})))  # fmt: skip
        refused(protocol_file(tmp_path, rule(kind="occurrence", of="vitals",
                                             window=f"[{quoted(text)}, null]")))  # fmt: skip


def test_what_is_hostile_is_refused_in_population_and_measures(tmp_path: Path) -> None:
    harmless = rule(kind="value", expr="weight_kg", max="300")
    for _, text in HOSTILE[::7]:
        refused(protocol_file(tmp_path, f"{harmless}\npopulation: {quoted(text)}"))
    for text in (*IDENTIFIERS[::5], *FILES, *AGGREGATES[::3]):
        measure = f"measures: {{m: {{of: vitals, take: max, expr: {quoted(text)}}}}}"
        refused(protocol_file(tmp_path, f"{harmless}\n{measure}"))


def test_the_line_is_that_of_the_expression(tmp_path: Path) -> None:
    said = refused(protocol_file(tmp_path, rule(kind="value", expr=quoted("now()"), max="1")))
    assert ", line 7: `now()` uses now, which is not allowed; allowed are columns" in said
