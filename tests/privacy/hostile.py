"""Payloads: what a file that is data must not be able to do."""

from __future__ import annotations

SECRET = "KEEL-SECRET-5150"

# --- YAML: a protocol or contract that is no honest one ---

_LEVELS = "\n".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9)}]" for n in range(1, 9))
YAML = [
    f"x0: &x0 [lol]\n{_LEVELS}\n",
    "a: &a [*a]\n",
    "a: &a {b: *a}\n",
    "base: &b {x: 1}\nrules: {<<: *b}\n",
    *(f"title: {tag} {value}\n" for tag, value in [
        ("!!python/object/apply:os.system", "['touch stolen']"),
        ("!!python/object/new:subprocess.Popen", "[['touch', 'stolen']]"),
        ("!!python/name:os.system", ""), ("!!python/module:os", ""),
        ("!!python/object:builtins.open", "{}"), ("!!python/tuple", "[1]"),
        ("!!python/object/apply:builtins.eval", "['1']"), ("!!binary", "aGVsbG8="),
        ("!!set", "{a, b}"), ("!!omap", "[a: 1]"), ("!!js/function", "'function(){}'"),
        ("!include", "/etc/passwd"), ("!ENV", "${HOME}"), ("!ref", "x"), ("!<tag:x>", "y"),
        ("!!timestamp", "2026-01-01"), ("!!float", "nan"), ("!!map", "{}"), ("!!seq", "[]"),
        ("!!str", "x"), ("!", "x"), ("!!null", ""),
    ]),
    *("[" * depth + "]" * depth for depth in (21, 100, 1_000, 100_000)),
    *("{a: " * depth + "}" * depth for depth in (21, 100, 1_000, 100_000)),
    "".join(f"{' ' * depth}a:\n" for depth in range(200)),
    "- " * 5_000 + "a",
    "? " * 5_000 + "a",
    "title: " + "x" * 1_000_001,
    "title: |\n" + "  y\n" * 300_000,
    "".join(f"k{number}: 1\n" for number in range(120_000)),
    "title: a\ntitle: b\n",
    "a: 1\n? a\n: 2\n",
    "---\na: 1\n---\nb: 2\n",
    "%YAML 1.1\n---\na: yes\n",
    "%TAG ! tag:yaml.org,2002:python/\n---\na: !name:os.system x\n",
    "a: yes\n", "a: no\n", "a: on\n", "a: off\n", "? [a, b]\n: 1\n", "? {a: b}\n: 1\n", "1: a\n",
    "null: a\n", "2026-01-01: a\n", "a: \"\\ud800\"\n", "a: b: c\n", "\tb: 1\n", "a: [1, 2\n", "a: 'x\n",  # noqa: E501
    "a: \0\n", "@a: 1\n", "`a`: 1\n", "a: *\n", "&a : *a\n", "*a : 1\n",
    "a: 2026-99-99\n",
]  # fmt: skip

# What is plain data, however odd.
YAML_PLAIN = [
    "a: 9" + "9" * 4_000 + "\n", "a: 0x" + "f" * 50_000 + "\n", "a: 1e999999999\n", "a: .inf\n",
    "a: '{{ 7 * 7 }}'\n", "a: $(touch stolen)\n", "a: 1_000_000\n", "a: 1:30\n", "a: 0o777\n",
]  # fmt: skip

# --- SELECTs of a foreign source: what lies outside their tables, and what never ends ---

FILE = "{folder}/secret.csv"
_RELATIONS = [
    f"'{FILE}'", f"read_csv('{FILE}')", f"read_csv_auto('{FILE}')", f"read_text('{FILE}')",
    f"read_blob('{FILE}')", f"read_json('{FILE}')", f"read_json_auto('{FILE}')",
    f"read_ndjson('{FILE}')", f"read_json_objects('{FILE}')", f"read_ndjson_objects('{FILE}')",
    f"read_parquet('{FILE}')", f"parquet_scan('{FILE}')", f"parquet_metadata('{FILE}')",
    f"parquet_schema('{FILE}')", f"parquet_file_metadata('{FILE}')",
    f"parquet_kv_metadata('{FILE}')", f"sniff_csv('{FILE}')", "glob('{folder}/*')", "glob('/*')",
    f"read_csv(['{FILE}', '{FILE}'])", f"query('FROM read_text(''{FILE}'')')",
    f"query_table('{FILE}')", f"query('SELECT * FROM ''{FILE}''')", "read_text('/proc/self/environ')",  # noqa: E501
    "read_text('/dev/stdin')", "read_blob('/proc/self/mem')", "read_csv('/dev/fd/0')",
    "read_csv('http://127.0.0.1:9/x.csv')", "read_csv('https://127.0.0.1:9/x.csv')",
    "read_parquet('s3://bucket/x.parquet')", "read_csv('gcs://bucket/x.csv')",
    "read_csv('hf://datasets/x.csv')", "read_csv('azure://x/y.csv')", "read_csv('file:{folder}/secret.csv')",  # noqa: E501
    "read_csv('file://{folder}/secret.csv')", "read_csv('~/secret.csv')",
    "read_csv('../../secret.csv')", "sqlite_scan('{folder}/secret.db', 't')",
    "postgres_scan('host=127.0.0.1', 'public', 't')", "mysql_scan('x', 'y', 'z')",
    "iceberg_scan('{folder}')", "delta_scan('{folder}')", "st_read('{folder}/secret.csv')",
    "read_xlsx('{folder}/secret.xlsx')", "arrow_scan(1, 2, 3)", "pandas_scan(1)",
    "python_map_function('x')", "shell('id')", "system('id')", "load_aws_credentials()",
    "which_secret('x', 's3')", "read_duckdb('{folder}/x.duckdb')", "duckdb_logs('{folder}')",
]  # fmt: skip
_SCALARS = [
    "getenv('KEEL_SECRET')", "current_setting('secret_directory') || getenv('KEEL_SECRET')",
    f"(SELECT content FROM read_text('{FILE}'))", f"(SELECT string_agg(t::VARCHAR) FROM '{FILE}' t)",  # noqa: E501
    "load_file('{folder}/secret.csv')", "pg_read_file('{folder}/secret.csv')", "readfile('{folder}/secret.csv')",  # noqa: E501
    "writefile('{folder}/stolen', 'x')", "system('touch {folder}/stolen')", "sys_exec('id')",
    "http_get('http://127.0.0.1:9')", "load_extension('httpfs')", "nextval('s')", "eval('1')",
    "lo_import('{folder}/secret.csv')", "xp_cmdshell('id')", "install_extension('httpfs')",
]  # fmt: skip
_STATEMENTS = [
    "COPY sheet TO '{folder}/stolen.csv'", "COPY (SELECT 1) TO '{folder}/stolen.parquet'",
    "COPY sheet FROM '{folder}/secret.csv'", "EXPORT DATABASE '{folder}/stolen'", "IMPORT DATABASE '{folder}'",  # noqa: E501
    "ATTACH '{folder}/stolen.db'", "ATTACH '{folder}/stolen.db' AS x (TYPE sqlite)", "DETACH memory", "USE memory",  # noqa: E501
    "INSTALL httpfs", "LOAD httpfs", "FORCE INSTALL httpfs", "INSTALL 'https://127.0.0.1:9/x'",
    "UPDATE EXTENSIONS", "SET enable_external_access = true", "SET GLOBAL enable_external_access = true",  # noqa: E501
    "RESET enable_external_access", "SET lock_configuration = false", "SET memory_limit = '1TB'",
    "SET temp_directory = '{folder}'", "SET allowed_paths = ['/']", "SET allowed_directories = ['/']",  # noqa: E501
    "PRAGMA enable_external_access", "PRAGMA database_list", "PRAGMA memory_limit='1TB'",
    "PRAGMA enable_profiling", "PRAGMA profiling_output='{folder}/stolen'", "PRAGMA log_query_path='{folder}/stolen'",  # noqa: E501
    "CREATE SECRET s (TYPE s3)", "CREATE TABLE x AS SELECT 1", "CREATE VIEW x AS SELECT 1",
    "CREATE MACRO m() AS 1", "CREATE FUNCTION f() AS 1", "CREATE TRIGGER t", "CREATE SCHEMA x",
    "CREATE TYPE x AS ENUM ('a')", "CREATE SEQUENCE s", "CREATE INDEX i ON sheet (pid)",
    "INSERT INTO sheet SELECT * FROM sheet", "UPDATE sheet SET pid = ''", "DELETE FROM sheet",
    "DROP TABLE sheet", "ALTER TABLE sheet ADD COLUMN x INT", "TRUNCATE sheet", "VACUUM", "CHECKPOINT",  # noqa: E501
    "CALL pragma_version()", "CALL duckdb_settings()", "PREPARE p AS SELECT 1", "EXECUTE p",
    "DEALLOCATE p", "BEGIN", "COMMIT", "ROLLBACK", "EXPLAIN ANALYZE SELECT 1", "ANALYZE",
    "SELECT 1; COPY sheet TO '{folder}/stolen.csv'", "SELECT 1 -- ;\n; DROP TABLE sheet",
    "SELECT 1); COPY sheet TO '{folder}/stolen.csv'; SELECT * FROM (SELECT 2",
    "SELECT * FROM sheet) TO '{folder}/stolen.csv'; --", "SELECT 1 INTO x",
    "WITH x AS (DELETE FROM sheet RETURNING *) SELECT * FROM x", "VALUES (1); DROP TABLE sheet",
    "SET VARIABLE x = getenv('KEEL_SECRET')", "COMMENT ON TABLE sheet IS 'x'", "/* ", "' ", '" ', "\\", ";",  # noqa: E501
    ";;", "SELECT", "SELECT $1", "SELECT ?", "((((", "SELECT " + "(" * 3_000 + "1" + ")" * 3_000,
    "SELECT " + "-" * 3_000 + "1", "SELECT " + "NOT " * 3_000 + "true",
    "SELECT " + "CASE WHEN true THEN " * 800 + "1" + " END" * 800, "SELECT 1 " + "UNION ALL SELECT 1 " * 3_000 + ";;x",  # noqa: E501
]  # fmt: skip
SELECTS = [
    *_STATEMENTS,
    *(f"SELECT * FROM {relation}" for relation in _RELATIONS),
    *(f"SELECT {scalar} AS pid FROM sheet" for scalar in _SCALARS),
]
ENDLESS = [
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM t) SELECT n FROM t",
    "WITH RECURSIVE t AS (SELECT 1 AS n UNION ALL SELECT n FROM t) SELECT count(*) FROM t",
    "SELECT count(*) FROM range(1000000000000000)",
    "SELECT range FROM range(1000000000000)",
    "SELECT sum(a.range * b.range) FROM range(100000000) a, range(100000000) b",
    "SELECT list(range) FROM range(100000000000)",
    "SELECT string_agg(repeat('x', 1000000), '') FROM range(1000000)",
    "SELECT unnest(range(10000000000))",
    "SELECT a.range FROM range(10000000) a, range(10000000) b ORDER BY hash(a.range, b.range)",
    "SELECT regexp_matches(repeat('a', 100000), '(a*)*b') FROM range(1000000000)",
    "SELECT list_sort(list_transform(range(100000000), lambda x: hash(x))) FROM range(10000)",
]

# --- text of the data that ends up on a page, in a chart or in a spreadsheet ---

MARKUP = [
    "<script>alert(1)</script>", "</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>",  # noqa: E501
    "<svg onload=alert(1)>", "<svg><script>alert(1)</script></svg>", "<iframe src=javascript:alert(1)>",  # noqa: E501
    "<a href='javascript:alert(1)'>x</a>", '"><script>alert(1)</script>', "'><img src=x onerror=alert(1)>",  # noqa: E501
    '" onmouseover="alert(1)', "' onfocus='alert(1)' autofocus='", "<body onload=alert(1)>",
    "<link rel=stylesheet href=//127.0.0.1:9>", "<meta http-equiv=refresh content=0;url=//127.0.0.1>",  # noqa: E501
    "<object data=x>", "<embed src=x>", "<form action=//127.0.0.1><input>", "<base href=//127.0.0.1/>",  # noqa: E501
    "<style>@import '//127.0.0.1:9'</style>", "</style><script>alert(1)</script>", "</title><script>x</script>",  # noqa: E501
    "<!--<img src=--><img src=x onerror=alert(1)>", "<![CDATA[<script>alert(1)</script>]]>",
    "&lt;script&gt;alert(1)&lt;/script&gt;", "&#60;script&#62;", "%3Cscript%3Ealert(1)%3C/script%3E",  # noqa: E501
    "\\u003cscript\\u003ealert(1)", "{{ 7 * 7 }}", "{% include '/etc/passwd' %}", "{{ run.__class__ }}",  # noqa: E501
    "{{ ''.__class__.__mro__[1].__subclasses__() }}", "{# x #}", "${7*7}", "#{7*7}", "<%= 7*7 %>", "{{{x}}}",  # noqa: E501
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>", "<details open ontoggle=alert(1)>",  # noqa: E501
    "<textarea></textarea><script>alert(1)</script>", "x\u2028y\u2029<b>z", "\u202etxt.exe<b>",
]  # fmt: skip
FORMULAS = [
    "=1+1", "+1+1", "-1+1", "@SUM(1)", "=cmd|' /C calc'!A0", "=HYPERLINK(\"http://127.0.0.1:9\",\"x\")",
    "=WEBSERVICE(\"http://127.0.0.1:9\")", "=IMPORTXML(\"http://127.0.0.1:9\",\"//a\")", "\t=1+1", "\r=1+1",  # noqa: E501
    "\n=1+1", " =1+1", "  +1", "＝1+1", "＋1", "－1", "＠x", "=DDE(\"cmd\",\"/C calc\",\"x\")",
    "-2+3+cmd|' /C calc'!A0", "@import", "+44 555", "=\"a\"&\"b\"", "=A1:A9", "{=1+1}"[1:],
]  # fmt: skip
