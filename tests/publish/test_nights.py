"""Night after night: what stays the same, what is carried over, what goes."""

from __future__ import annotations

import errno
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import flows.judged_buckets
import flows.partitions
import flows.publish
import flows.shares
from flows.errors import DiskError, KeelError
from flows.pseudonyms import KEY_FILE
from tests.load.network import AS_OF
from tests.publish.nights import INFUSIONS, Nights


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A night with findings has been published."""
    nights = Nights(tmp_path_factory.mktemp("first"))
    nights.sessions(
        "north/2026-05-30",
        nights.session("s1", dose=100),
        nights.session("s2", patient="p2", day="2026-05-11", minutes=90),
    )
    nights.sessions("south/2026-05-30", nights.session("s1", patient="p1", weight_kg=""))
    nights.publish()
    return nights


@pytest.fixture
def first(first_night: Nights, tmp_path: Path) -> Nights:
    return first_night.copied(tmp_path)


def findings(nights: Nights) -> dict[tuple[str, str, str], tuple[str, str]]:
    """(clinic, subject, rule) -> (finding_id, the number of the run that first found it)."""
    rows = nights.read("SELECT * FROM marts.findings")
    names = [name for (name,) in nights.read("SELECT column_name FROM (DESCRIBE marts.findings)")]
    held = [dict(zip(names, row, strict=True)) for row in rows]
    return {
        (f["clinic_id"], f["subject_id"], f["rule_id"]): (
            f["finding_id"], f["first_found_run"][:6],
        )
        for f in held
    }  # fmt: skip


def runs(nights: Nights) -> list[str]:
    return sorted(path.name[:6] for path in nights.settings.publish.iterdir() if path.is_dir())[:-1]


# --- the same again ---


def test_a_night_with_nothing_new_gives_the_same_bytes(first: Nights) -> None:
    marts, verdicts, names = first.marts(), first.verdicts(), findings(first)
    folder = first.current.resolve()
    first.publish()
    assert first.current.resolve() != folder
    assert first.marts() == marts
    assert first.verdicts() == verdicts
    assert findings(first) == names


def test_a_finding_keeps_its_name_and_the_run_that_found_it(first: Nights) -> None:
    before = findings(first)
    first.sessions(
        "north/2026-05-31",
        first.session("s1", dose=40, extracted_at="2026-05-31T20:00"),
        first.session("s3", patient="p3", dose=200, extracted_at="2026-05-31T20:00"),
    )
    first.publish()
    after = findings(first)
    assert ("north", "s1", "dose") in before.keys() - after.keys()
    assert {key: name for key, name in after.items() if key in before} == {
        key: name for key, name in before.items() if key in after
    }
    assert {key for key, (_, run) in after.items() if run == "000002"} == {
        ("north", "s3", "dose"),
        ("north", "s3", "score"),
    }


def test_a_new_version_of_a_protocol_keeps_the_findings_name(first: Nights) -> None:
    before = findings(first)
    first.write_protocol("infusions.yaml", INFUSIONS.replace("1.0.0", "1.1.0"))
    first.publish()
    assert findings(first) == before
    assert first.read("SELECT DISTINCT protocol_version FROM marts.findings") == [("1.1.0",)]


def test_a_protocol_that_is_gone_leaves_nothing(first: Nights) -> None:
    (first.folder / "protocols" / "infusions.yaml").unlink()
    first.publish()
    assert first.marts()["findings"] == []
    assert first.verdicts() == {}


def test_marts_of_an_older_keel_are_made_anew(first: Nights) -> None:
    marts = first.marts()
    with first.opened() as warehouse:
        warehouse.db.execute("ALTER TABLE marts.subjects DROP COLUMN program")
        warehouse.db.execute("ALTER TABLE marts.coverage ADD COLUMN old VARCHAR")
        warehouse.db.execute("UPDATE ops.judged SET circumstances = 'of an older Keel'")
    first.publish()
    assert first.marts() == marts


def test_a_night_does_not_make_the_warehouse_grow(first: Nights) -> None:
    sizes = []
    for _ in range(5):
        first.publish()
        sizes.append((first.settings.warehouse / "keel.duckdb").stat().st_size)
    assert sizes[-1] == sizes[-3]


# --- buckets ---


def crowd(nights: Nights, number: int) -> None:
    """Patients with sessions; an outcome of one patient hangs on a session of another."""
    sessions = [
        nights.session(
            f"s{at}", patient=f"p{at % 5}", day=f"2026-05-{at + 1:02}", dose=30 + 10 * at
        )
        for at in range(number)
    ]
    nights.sessions("north/2026-05-31", *sessions)
    nights.sessions("south/2026-05-31", *sessions[::2])
    nights.rows(
        "north/outcomes_2026-05-31.csv",
        [
            {"outcome_id": f"o{at}", "patient_id": f"p{(at + 3) % 5}", "session_id": f"s{at}",
             "instrument": "PHQ-9", "administered_at": f"2026-05-{at + 1:02}T12:00",
             "total": str(20 + at)}
            for at in range(number)
        ],
    )  # fmt: skip


ALONE = """\
protocol: alone
version: 1.0.0
title: Looks at other patients of the clinic
effective: {from: 2020-01-01}
rules:
  - {id: alone, title: Alone, kind: occurrence, severity: minor, tier: T4, of: sessions,
     link: clinic, window: [started_at - 5d, started_at + 5d], at_most: 0}
"""


def test_buckets_change_nothing(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd(nights, 10)
    nights.write_protocol("alone.yaml", ALONE)
    nights.publish()
    marts, verdicts = nights.marts(), nights.verdicts()
    assert len(marts["findings"]) > 10
    assert any(row[2] == "outcome" for row in marts["findings"])
    assert any("alone" in row for row in marts["findings"])
    seen: list[tuple[int, int]] = []
    judge = flows.judged_buckets.judge
    monkeypatch.setattr(
        "flows.judged_buckets.judge", lambda *given: seen.append((0, 0)) or judge(*given)
    )  # fmt: skip
    for size in (1, 5):
        monkeypatch.setattr(flows.shares, "BUCKET_SUBJECTS", size)
        monkeypatch.setattr(flows.partitions, "CHUNK_SUBJECTS", size)
        nights.publish(full=True)
        assert nights.marts() == marts
        assert nights.verdicts() == verdicts
    assert len(seen) == 15 + 3


ONE_MONITOR = """\
protocol: load
version: 1.0.0
title: Load
effective: {from: 2020-01-01}
judges: sessions
measures:
  others: {of: sessions, link: clinic, window: [started_at - 12h, started_at], take: count,
           among: "coalesce(ended_at, started_at) >= this.started_at"}
rules:
  - {id: alone, title: Alone, kind: occurrence, severity: minor, tier: T4, of: sessions,
     link: clinic, window: [started_at - 1h, started_at], where: monitor_id = this.monitor_id,
     at_most: 0}
  - {id: others, title: Others, kind: value, severity: minor, tier: T4, expr: others, max: 0}
  - {id: scored, title: Scored, kind: occurrence, severity: minor, tier: T4, of: outcomes,
     link: clinic, where: total > this.weight_kg - 70}
"""


def test_rows_linked_by_clinic_are_those_of_every_bucket(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.write_protocol("load.yaml", ONE_MONITOR)
    nights.sessions(
        "north/2026-05-30",
        *(nights.session(f"s{at}", patient=f"p{at}", monitor_id=f"m{at % 3}") for at in range(6)),
    )
    nights.rows("north/outcomes_2026-05-30.csv", [
        {"outcome_id": "o1", "patient_id": "p5", "instrument": "PHQ-9",
         "administered_at": "2026-05-04T10:00", "total": "12"}
    ])  # fmt: skip
    nights.publish()
    marts = nights.marts()
    found = nights.read(
        "SELECT rule_id, not_met, met FROM marts.rule_monthly WHERE protocol = 'load' ORDER BY ALL"
    )
    assert found == [("alone", 6, 0), ("others", 6, 0), ("scored", 0, 6)]
    for size in (1, 4):
        monkeypatch.setattr(flows.shares, "BUCKET_SUBJECTS", size)
        _, counts = nights.publish(full=True)
        assert counts.judged > size
        assert nights.marts() == marts


def test_progress_tells_of_buckets(nights: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd(nights, 6)
    monkeypatch.setattr(flows.shares, "BUCKET_SUBJECTS", 3)
    told: list[tuple[int, int]] = []
    nights.publish(progress=lambda step, of: told.append((step, of)))
    assert told == [(0, 3), (1, 3), (2, 3)]


# --- what settings say ---


def test_the_networks_programmes_are_mapped(nights: Nights) -> None:
    nights.sessions("north/2026-05-30", nights.session("s1", program="Infusion, adult"))
    nights.publish()
    assert nights.read("SELECT program, judged, uncovered FROM marts.coverage") == [
        ("Infusion, adult", 0, 1)
    ]
    nights.set(programs={"Infusion, adult": "iv_ketamine"})
    nights.publish()
    assert nights.read("SELECT program, judged, uncovered FROM marts.coverage") == [
        ("iv_ketamine", 1, 0)
    ]


@pytest.mark.parametrize("keep", [1, 3])
def test_only_the_newest_runs_are_kept(first: Nights, keep: int) -> None:
    first.set(keep_runs=keep)
    for _ in range(keep + 1):
        first.publish()
    assert runs(first) == [f"{number:06}" for number in range(3, keep + 3)]


def test_the_current_run_is_kept_though_a_number_is_higher(nights: Nights) -> None:
    nights.set(keep_runs=2)
    for number in (40, 41, 42):
        (nights.settings.publish / f"{number:06}-20250101T000000Z").mkdir(parents=True)
    nights.publish()
    assert nights.current.resolve().name.startswith("000001-")
    assert runs(nights) == ["000001", "000042"]


# --- what goes wrong ---


def refuse(monkeypatch: pytest.MonkeyPatch, where: str, error: BaseException) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(where, fail)


def test_a_disk_that_refuses_leaves_the_last_run_current(
    first: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, marts = first.current.resolve(), first.marts()
    for where, number in (
        ("flush", errno.ENOSPC), ("write_verdicts", errno.ENOSPC), ("write_manifest", errno.EDQUOT),
        ("_point", errno.EROFS), ("flush", errno.EACCES),
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            refuse(patch, f"flows.publish.{where}", OSError(number, os.strerror(number)))
            with pytest.raises(DiskError, match="the last whole run stays current") as caught:
                first.publish()
        assert caught.value.exit_code == 4, where
        assert first.current.resolve() == before, where
        assert not list(first.settings.publish.glob(".*")), where
    first.publish()
    assert first.marts() == marts
    assert first.current.resolve().name > before.name


def test_a_disk_that_refuses_the_database_is_told_without_its_words(
    first: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "flows.publish.write_results", duckdb.IOException("cannot write p1"))
    with pytest.raises(DiskError) as caught:
        first.publish()
    assert "p1" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_publish_folder_that_is_a_file_is_told(nights: Nights) -> None:
    nights.settings.publish.write_text("")
    with pytest.raises(KeelError, match="name another folder with --publish"):
        nights.publish()


class Killed(BaseException):
    """Stands in for a signal: nothing in Keel catches it."""


def with_known_key(nights: Nights) -> Nights:
    """Two warehouses with one key have the same pseudonyms."""
    nights.settings.warehouse.mkdir()
    (nights.settings.warehouse / KEY_FILE).write_bytes(b"k" * 32)
    return nights


def test_what_was_cut_off_is_as_if_it_had_never_been(
    nights: Nights, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd(with_known_key(nights), 4)
    other = with_known_key(Nights(nights.folder / "undisturbed"))
    other.set(landing=nights.settings.landing)
    other.publish()
    monkeypatch.setattr("flows.publish.shutil.rmtree", lambda *_, **__: None)
    for where in (
        "judging._describe", "judging._insert", "judging._count_coverage",
        "publish.ensure_pseudonyms", "publish.write_results", "publish.write_verdicts",
        "publish.write_manifest", "publish.flush", "publish._point",
    ):  # fmt: skip
        with monkeypatch.context() as patch:
            refuse(patch, f"flows.{where}", Killed())
            with pytest.raises(Killed):
                nights.publish()
        assert not nights.current.exists(), where
    monkeypatch.undo()
    nights.publish()
    assert (nights.marts(), nights.verdicts()) == (other.marts(), other.verdicts())
    assert not list(nights.settings.publish.glob(".*"))
    assert findings(nights).keys() == findings(other).keys()


def test_what_others_left_in_the_folder_stays(first: Nights) -> None:
    publish = first.settings.publish
    mine = [publish / ".notes.tmp", publish / "000009-notes", publish / "README"]
    for path in mine:
        path.mkdir()
    (publish / ".000007-20260101T000000Z.tmp").mkdir()
    (publish / ".current.000007-20260101T000000Z.tmp").symlink_to("nowhere")
    first.set(keep_runs=1)
    first.publish()
    assert sorted(path.name for path in publish.iterdir()) == sorted(
        [*(path.name for path in mine), "current", first.current.resolve().name]
    )


@pytest.mark.parametrize("content", [None, b"", b"x" * 32])
def test_another_key_is_refused(first: Nights, content: bytes | None) -> None:
    key, before = first.settings.warehouse / KEY_FILE, first.current.resolve()
    key.unlink()
    if content is not None:
        key.write_bytes(content)
    with pytest.raises(KeelError, match="restore it from a backup"):
        first.publish()
    assert first.current.resolve() == before


# --- properties ---


@pytest.fixture(scope="module")
def at_once(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """All deliveries in one night."""
    nights = with_known_key(Nights(tmp_path_factory.mktemp("at-once")))
    for number in range(4):
        deliver(nights, number)
    nights.publish()
    return nights


@settings(
    max_examples=2,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example takes whole nights
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    order=st.permutations([0, 1, 2, 3]),
    nights_after=st.sets(st.integers(0, 3), max_size=2),
    size=st.sampled_from([1, 3, 250_000]),
)
def test_the_order_of_deliveries_changes_no_mart(
    at_once: Nights,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    order: list[int],
    nights_after: set[int],
    size: int,
) -> None:
    monkeypatch.setattr(flows.shares, "BUCKET_SUBJECTS", size)
    one_by_one = with_known_key(Nights(tmp_path_factory.mktemp("one-by-one")))
    for number in order:
        deliver(one_by_one, number)
        if number in nights_after:
            one_by_one.publish()
    one_by_one.publish()
    assert one_by_one.marts() == at_once.marts()
    assert one_by_one.verdicts() == at_once.verdicts()


def deliver(nights: Nights, number: int) -> None:
    """Each delivery corrects sessions of the one before, and brings one of its own."""
    taken = (AS_OF - timedelta(days=4 - number)).isoformat()
    nights.sessions(
        f"north/{number}",
        *(
            nights.session(
                f"s{at}", patient=f"p{at % 2}", dose=60 + 20 * number, extracted_at=taken,
                day=f"2026-05-{at + 10}",
            )
            for at in range(number + 1)
        ),
    )  # fmt: skip
