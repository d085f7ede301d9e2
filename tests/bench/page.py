"""`python -m tests.bench.page`: docs/performance.md and its picture, from docs/bench."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.bench.chart import picture
from tests.bench.child import ROOT

Found = dict[str, Any]
DOCS = ROOT / "docs"
PICTURE = "performance.svg"
KEEL = "Keel"
RIVALS = {
    "bare_load": "DuckDB, bare load (before the night)",
    "bare_load_again": "DuckDB, bare load (after it)",
    "duckdb": "DuckDB SQL by hand",
    "pandas": "pandas by hand",
    "dbt": "dbt-duckdb with tests",
    "polars": "Polars by hand",
    "keel": KEEL,
}
NIGHTS = {
    "full_night": "Keel, full night",
    "night_with_nothing": "Keel, a night that brings nothing",
    "late_night": "Keel, a night that brings 1 %",
}
STAGES_OF = {"full_night": "full night", "late_night": "night that brings 1 %"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.page")
    parser.add_argument("--docs", type=Path, default=DOCS)
    docs = parser.parse_args().docs
    nights, rules = read(docs / "bench", "nightly"), read(docs / "bench", "rules")
    profiles = read(docs / "bench", "profile")
    (docs / PICTURE).write_text(picture(nights), encoding="utf-8")
    (docs / "performance.md").write_text(page(nights, rules, profiles), encoding="utf-8")


def read(folder: Path, what: str) -> list[Found]:
    """What was measured, the smallest first; each with the `size` that was asked for."""
    found = {int(path.stem.rpartition("-")[2]): path for path in folder.glob(f"{what}-*.json")}
    return [{"size": size, **json.loads(found[size].read_text("utf-8"))} for size in sorted(found)]


def page(nights: Sequence[Found], rules: Sequence[Found], profiles: Sequence[Found]) -> str:
    """The whole page; what a person adds stands in `bench/remarks.md`."""
    remarks = (DOCS / "bench" / "remarks.md").read_text(encoding="utf-8").rstrip()
    parts = [
        "# Performance\n\nMade by `make bench` from the JSON in `bench/`, where every raw timing "
        "stands. Machines are noisy: read the ratios, taken within one run.",
        "## What it must reach\n\n" + targets(nights, rules),
        f"![Seconds and peak memory by sessions, on logarithmic scales]({PICTURE})",
        remarks,
        *(night(each) for each in nights),
        *(four_conditions(each) for each in rules),
        *(profile(each) for each in profiles),
        "## Measured on\n\n" + measured_on([*nights, *rules, *profiles]),
        HOW,
    ]
    return "\n\n".join(parts) + "\n"


HOW = """\
## How to repeat it

```sh
make bench                          # 10 k and 100 k sessions, rules and nights; then this page
make bench SIZES="1000000"          # another size; 1 M needs 5 GB of disk, 10 M 60 GB
make bench SIZES="1000000" SKIP="pandas,dbt,duckdb"   # without rivals other than the bare load
make bench-profile                  # where a night's time lies
```

dbt-duckdb, pandas and py-spy are no dependencies: the bench makes an environment for each in
`.bench/`, and leaves out what cannot be installed, saying so in the JSON. A network is written from
a seed, so that the same size has the same rows. Contenders must give the same counts, else the run
fails."""


def targets(nights: Sequence[Found], rules: Sequence[Found]) -> str:
    """Each figure with its target, by size."""
    sizes = sorted({each["size"] for each in (*nights, *rules)})
    by_size = {each["size"]: each for each in nights}
    ruled = {each["size"]: each for each in rules}

    def of_nights(*path: str) -> list[Any]:
        return [_at(by_size.get(size), *path) for size in sizes]

    rows: list[list[str]] = [
        ["20 rules to four conditions by hand in Polars", "4 x",
         *(_number(_at(ruled.get(size), "ratio"), " x") for size in sizes)],
        ["the same, seconds of the processor", "",
         *(_number(_at(ruled.get(size), "cpu_ratio"), " x") for size in sizes)],
        ["full night to bare load", "6 x",
         *(_number(n, " x") for n in of_nights("ratios", "full_to_bare_load"))],
        ["the same, seconds of the processor", "",
         *(_number(n, " x") for n in of_nights("cpu_ratios", "full_to_bare_load"))],
        ["night that brings 1 % to full night, start-up apart", "5 %",
         *(_share(n) for n in of_nights("ratios", "late_to_full_start_up_apart"))],
        ["the same, seconds of the processor", "",
         *(_share(n) for n in of_nights("cpu_ratios", "late_to_full_start_up_apart"))],
        ["subjects that it judges", "3 %",
         *(_share(n) for n in of_nights("late_night", "share_judged"))],
        ["peak memory of the full night", "2 GB at 1 M, 6 GB at 10 M",
         *(_number(n, " MB") for n in of_nights("full_night", "peak_mb"))],
        ["Great Expectations' share of the full night", "15 % at 1 M",
         *(_share(n) for n in of_nights("full_night", "great_expectations_share"))],
        ["first line", "2 s",
         *(_number(n, " s") for n in of_nights("full_night", "first_line_seconds"))],
        ["first stage, Prefect's own server", "15 s",
         *(_number(n, " s") for n in of_nights("prefect", "own_server", "first_stage_seconds"))],
        ["first stage, a server running", "4 s",
         *(_number(n, " s")
           for n in of_nights("prefect", "running_server", "first_stage_seconds"))],
    ]  # fmt: skip
    return table(["figure", "at most", *(f"{size:,} sessions" for size in sizes)], rows)


def night(found: Found) -> str:
    """A size's nights beside its rivals."""
    rows = [
        [RIVALS[name], *_told(each)] for name, each in found["rivals"].items() if name in RIVALS
    ]
    rows += [[name, *_told(found[key])] for key, name in NIGHTS.items() if found[key]]
    nights = {name: found[key] for key, name in STAGES_OF.items() if found[key]}
    stages = [
        [stage, *(f"{each['stages'][stage]:.1f}" for each in nights.values())]
        for stage in found["full_night"]["stages"]
    ]
    return "\n\n".join([
        f"## Nights of {found['rows']['sessions']:,} sessions",
        f"{sum(found['rows'].values()):,} rows, {found['csv_mb']:,} MB of CSV in "
        f"{found['rows']['clinics']} clinics. {_brought(found)}Start-up (imports alone): "
        f"{found['start_up']['imports_seconds']} s.",
        table(["", "seconds", "with start-up", "of the processor", "peak MB"], rows),
        "Seconds by stage (`validate` lies within `load`):",
        table(["stage", *nights], stages),
    ])  # fmt: skip


def _brought(found: Found) -> str:
    late, held_back = found["late_night"], found["late"]
    if not late:
        return ""
    return (
        f"The last night brings {held_back['sessions']:,} sessions "
        f"({held_back['share_of_sessions']:.1%}), {held_back['rows']:,} rows; it judges "
        f"{late['judged']:,} subjects ({late['share_judged']:.1%}). "
    )


def four_conditions(found: Found) -> str:
    """Twenty rules beside the others' four conditions."""
    rows = [
        [RIVALS[name] + (", 20 rules" if name == "keel" else ", 4 conditions"),
         *((f"{each['median_seconds']:.2f}", " ".join(f"{s:.2f}" for s in each["seconds"]),
            str(each["peak_mb"])) if "counts" in each else (each["not_run"], "", ""))]
        for name, each in found["contenders"].items()
    ]  # fmt: skip
    return (
        f"## Twenty rules of {found['rows']['sessions']:,} sessions\n\nFacts in memory, warmed up "
        "once; dbt is a process a run.\n\n" + table(["", "median seconds", "all", "peak MB"], rows)
    )


def profile(found: Found) -> str:
    """Where the time lies."""
    full, late = found["full_night"], found["late_night"]
    parts = [
        [name, f"{share:.1%}", f"{late['parts'].get(name, 0):.1%}"]
        for name, share in full["parts"].items()
    ]
    functions = [
        [f"`{name}`", f"{share:.1%}", f"{late['functions'].get(name, 0):.1%}"]
        for name, share in list(full["functions"].items())[:12]
    ]
    return "\n\n".join([
        f"## Where a night's time lies ({found['sessions']:,} sessions)",
        f"{full['samples']:,} and {late['samples']:,} samples of py-spy. `imports` holds every "
        "import, Great Expectations' too.",
        table(["part", "full night", "night that brings 1 %"], parts),
        "By the innermost function of Keel's, with what libraries do for it:",
        table(["function", "full night", "night that brings 1 %"], functions),
    ])  # fmt: skip


def measured_on(found: Iterable[Found]) -> str:
    """Machine and versions of each file."""
    rows = []
    for each in found:
        what = "nights" if "full_night" in each and "rivals" in each else (
            "rules" if "contenders" in each else "profile")  # fmt: skip
        machine = each["machine"]
        rivals = each.get("versions", {}).get("rivals", {})
        versions = {k: v for k, v in each.get("versions", {}).items() if k != "rivals"}
        held = [
            versions,
            *({f"{who}'s {k}": v for k, v in of.items()} for who, of in rivals.items()),
        ]
        said = ", ".join(f"{name} {v}" for part in held for name, v in part.items())
        rows.append([
            f"{what}, {each['size']:,}", each["measured_at"][:10], f"`{each['commit']}`",
            f"{machine['cores']} cores, {machine['memory_gb']} GB, {machine['processor']}", said,
        ])  # fmt: skip
    return table(["", "day", "commit", "machine", "versions"], rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _told(each: Found) -> tuple[str, ...]:
    if "seconds" not in each:
        return f"not run: {each['not_run']}", "", "", ""
    whole = each.get("process_seconds", each["seconds"])
    worked = each.get("cpu_seconds", "")
    return f"{each['seconds']:.2f}", f"{whole:.2f}", f"{worked}", f"{each['peak_mb']:,}"


def _at(found: Found | None, *path: str) -> Any:
    for name in path:
        found = (found or {}).get(name)
    return found


def _number(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:,.4g}{unit}"


def _share(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1%}"


if __name__ == "__main__":
    main()
