"""The history of verdicts: a story with every cause, other ways to them, nights at random."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checks.contract import contracts
from flows.batches import withdraw_batch
from flows.changes import note_changes, set_aside
from flows.recovery import reset
from flows.runs import Run
from flows.settings import FeedSettings
from flows.warehouse import Warehouse, create_facts, table_definitions
from tests.load.network import AS_OF
from tests.publish.nights import INFUSIONS, Nights

Key = tuple[str, str, str, str, str]
Changes = dict[str, list[tuple[Any, ...]]]
SCORE = ["outcome_id", "patient_id", "session_id", "instrument", "administered_at", "total",
         "recorded_at"]  # fmt: skip
LATER = "2026-05-09T20:00"


def score(session: str, **more: str) -> dict[str, str]:
    """The score of a session of 4 May, taken the day after; its patient is named as it."""
    return {
        "outcome_id": f"o-{session}", "patient_id": f"p-{session}", "session_id": session,
        "instrument": "PHQ-9", "administered_at": "2026-05-05T10:00", "total": "9",
    } | more  # fmt: skip


def scores(nights: Nights, label: str, *rows: dict[str, str]) -> None:
    """Deliver scores, or none; a day as `label` moves the cut-off there."""
    nights.rows(f"north/outcomes_{label}.csv", rows, ["extracted_at", *SCORE])


def sessions(nights: Nights, label: str, *names: str, **more: Any) -> None:
    """Deliver sessions of 4 May, each of a patient of its own."""
    given = {"day": "2026-05-04"} | more
    nights.sessions(
        f"north/{label}", *(nights.session(n, **({"patient": f"p-{n}"} | given)) for n in names)
    )


def changes(nights: Nights, columns: str = "rule_id, status_before, status_after, cause",
            night: int | None = None) -> Changes:  # fmt: skip
    """The published changes of the newest or another night, by subject, in the order of rules."""
    found: Changes = {}
    number = "(SELECT max(seq) FROM ops.runs)" if night is None else str(night)
    for subject, *row in nights.read(
        f"SELECT subject_id, {columns} FROM ops.verdict_changes JOIN ops.runs USING (run_id) "
        f"WHERE seq = {number} ORDER BY subject_id, rule_id"
    ):
        found.setdefault(subject, []).append(tuple(row))
    return found


def night(nights: Nights, day: int) -> Changes:
    """Publish as of noon of a day in May; gives what it changed."""
    nights.publish(as_of=datetime(2026, 5, day, 12, tzinfo=UTC))
    return changes(nights)


# --- a story: each session has a fate of its own ---

FATES = (
    "both",
    "late",
    "unsaid",
    "twice",
    "expires",
    "corrected",
    "withdrawn",
    "unreadable",
    "taken_back",
)


@pytest.fixture(scope="module")
def after_first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a network after one night: all doses are above 1 mg/kg, all scores pending."""
    nights = Nights(tmp_path_factory.mktemp("first"))
    sessions(nights, "2026-05-05", *FATES, dose=100)
    scores(nights, "2026-05-05")
    assert night(nights, 6) == {}
    return nights.folder


@pytest.fixture
def first(after_first: Path, tmp_path: Path) -> Nights:
    return copied(after_first, tmp_path)


def copied(folder: Path, target: Path) -> Nights:
    shutil.copytree(folder, target, dirs_exist_ok=True, symlinks=True)
    return Nights(target)


@pytest.fixture(scope="module")
def story(after_first: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[int, Changes]:
    """What the nights after the first changed, by their number."""
    nights = copied(after_first, tmp_path_factory.mktemp("story"))
    found: dict[int, Changes] = {}
    scores(nights, "2026-05-08", score("late", recorded_at="2026-05-08T10:00"))
    scores(nights, "a", score("unsaid", extracted_at="2026-05-06T09:30"))
    scores(
        nights, "b", score("twice", extracted_at="2026-05-06T10:00", recorded_at="2026-05-05T10:30")
    )
    scores(nights, "c", score("twice", extracted_at="2026-05-06T11:00", total="3"))
    scores(nights, "d", score("taken_back", extracted_at="2026-05-06T10:00"))
    sessions(nights, "d2", "both", dose=40, extracted_at=LATER)
    scores(nights, "d3", score("both", extracted_at="2026-05-06T10:00"))
    sessions(nights, "e", "corrected", dose=40, minutes=90, extracted_at=LATER)
    gone = {"session_id": "withdrawn", "deleted": "true", "extracted_at": LATER}
    nights.rows("north/sessions_f.csv", [gone])
    found[2] = night(nights, 9)
    scores(nights, "2026-05-13")
    # Of the same patient, and neither row nor evidence of the session whose time runs out.
    sessions(nights, "g", "other", day="2026-05-12", patient="p-expires", extracted_at=LATER)
    other = score("other", patient_id="p-expires", administered_at="2026-05-12T11:00")
    scores(nights, "h", other | {"extracted_at": "2026-05-12T12:00"})
    with nights.opened() as warehouse:
        (batch,) = warehouse.db.execute(
            "SELECT batch_id FROM ops.batches WHERE path = 'north/outcomes_d.csv'"
        ).fetchone()
        withdraw_batch(warehouse, batch, nights.settings)
        reset(warehouse, "sessions")  # what is read again did not come since
        reset(warehouse, "doses")
    found[3] = night(nights, 14)
    scores(nights, "2026-05-15", score("expires"), score("unreadable", total="many"))
    found[4] = night(nights, 16)
    found[5] = night(nights, 16)
    text = INFUSIONS.replace("max: 1.0", "max: 2.0").replace("id: weight,", "id: weighed,")
    nights.write_protocol("infusions.yaml", text.replace("1.0.0", "1.1.0"))
    nights.write_protocol("more.yaml", INFUSIONS.replace("infusions", "more"))
    sessions(nights, "i", "late", dose=90, extracted_at="2026-05-16T10:00")
    sessions(nights, "2026-05-16", "new", dose=500)
    found[6] = night(nights, 17)
    found[0] = changes(
        nights, "rule_id, reason, late_hours, note, protocol_version_after, waived_after", 2
    )
    return found


def test_what_arrives_late_closes_its_finding(story: Mapping[int, Changes]) -> None:
    for fate in ("late", "unsaid", "twice", "taken_back"):
        assert story[2][fate] == [("score", "pending", "met", "late_data")], fate


@pytest.mark.parametrize(
    ("fate", "hours", "note"),
    [
        ("late", 72.0, "charted 3 days after the event"),
        ("unsaid", 23.5, "delivered 24 h after the event"),
        ("twice", 25.0, "delivered 25 h after the event"),
    ],
)
def test_it_says_how_late(story: Mapping[int, Changes], fate: str, hours: float, note: str) -> None:
    assert story[0][fate] == [("score", None, hours, note, "1.0.0", False)]


def test_a_corrected_row_is_a_correction(story: Mapping[int, Changes]) -> None:
    assert story[2]["corrected"] == [
        ("dose", "not_met", "met", "correction"),
        ("time", "met", "not_met", "correction"),
    ]
    ((_, reason, *_), *_) = [row for row in story[0]["corrected"] if row[0] == "time"]
    assert "90" in reason


def test_what_a_rule_does_not_rest_on_is_no_cause(story: Mapping[int, Changes]) -> None:
    assert story[2]["both"] == [
        ("dose", "not_met", "met", "correction"),
        ("score", "pending", "met", "late_data"),
    ]


def test_a_late_dose_gives_a_session_its_start(nights: Nights) -> None:
    rows = [{**nights.session("s1")[0], "started_at": "", "scheduled_at": "2026-05-04T10:00"}]
    nights.rows("north/sessions_2026-05-05.csv", rows)
    night(nights, 6)
    nights.sessions("north/2026-05-07", nights.session("s2", patient="p2"))
    nights.rows("north/doses_2026-05-06.csv", [nights.session("s1")[1] or {}])
    assert ("time", "not_evaluable", "met", "late_data") in night(nights, 8)["s1"]


def test_a_withdrawn_session_is_judged_no_more(story: Mapping[int, Changes]) -> None:
    assert story[2]["withdrawn"] == [
        ("dose", "not_met", None, "correction"),
        ("score", "pending", None, "correction"),
        ("time", "met", None, "correction"),
        ("weight", "met", None, "correction"),
    ]
    assert {row[4:] for row in story[0]["withdrawn"]} == {(None, None)}


def test_what_nothing_came_for_runs_out_of_time(story: Mapping[int, Changes]) -> None:
    for fate in ("expires", "unreadable", "corrected"):
        assert story[3][fate] == [("score", "pending", "not_met", "time_passed")], fate


def test_a_delivery_taken_back_is_a_correction(story: Mapping[int, Changes]) -> None:
    assert story[3]["taken_back"] == [("score", "met", "not_met", "correction")]
    assert story[3]["o-taken_back"] == [("total", "met", None, "correction")]
    assert story[3].keys() - {*FATES} == {"o-taken_back"}


def test_a_missed_score_comes_after_all_or_cannot_be_read(story: Mapping[int, Changes]) -> None:
    assert story[4] == {
        "expires": [("score", "not_met", "met", "late_data")],
        "unreadable": [("score", "not_met", "not_evaluable", "late_data")],
    }


def test_a_night_with_nothing_new_changes_nothing(story: Mapping[int, Changes]) -> None:
    assert story[5] == {}


def test_another_limit_and_rules_that_come_and_go_are_a_change_of_protocol(
    story: Mapping[int, Changes],
) -> None:
    of_rules = [
        ("weighed", None, "met", "protocol_change"),
        ("weight", "met", None, "protocol_change"),
    ]
    closed = ("dose", "not_met", "met", "protocol_change")
    assert story[6]["corrected"] == of_rules
    for fate in ("unsaid", "late"):  # the dose of `late` was corrected too: the protocol goes first
        assert story[6][fate] == [closed, *of_rules]


def test_a_new_session_and_a_new_protocol_are_no_change(story: Mapping[int, Changes]) -> None:
    assert "new" not in story[6]
    assert all(len(rows) <= 3 for rows in story[6].values())


# --- other ways to a cause ---


def test_what_full_exports_lack_is_a_correction_once(nights: Nights) -> None:
    full = FeedSettings(mode="full")
    nights.set(feeds={"sessions": full, "outcomes": full})
    sessions(nights, "2026-05-06", "s1", "s2")
    others = [score(f"x{number}") for number in range(5)]
    scores(nights, "2026-05-06", score("s2"), *others)
    night(nights, 8)
    sessions(nights, "2026-05-07", "s2")
    scores(nights, "2026-05-09", *others)
    found = night(nights, 10)
    assert {row[2:] for row in found["s1"]} == {(None, "correction")}
    assert found["s2"] == [("score", "met", "pending", "correction")]
    scores(nights, "2026-05-20", *others)
    assert night(nights, 21) == {"s2": [("score", "pending", "not_met", "time_passed")]}


def test_a_session_moved_into_another_versions_time_is_a_correction(nights: Nights) -> None:
    ended = INFUSIONS.replace("2020-01-01", "2020-01-01, to: 2026-05-01")
    begun = INFUSIONS.replace("2020-01-01", "2026-05-02").replace("1.0.0", "2.0.0")
    nights.write_protocol("infusions.yaml", ended)
    nights.write_protocol("infusions-2.yaml", begun.replace("max: 1.0", "max: 2.0"))
    sessions(nights, "2026-05-05", "s1", day="2026-05-01", dose=100)
    night(nights, 6)
    sessions(nights, "x", "s1", day="2026-05-02", dose=100, extracted_at=LATER)
    assert night(nights, 10) == {"s1": [("dose", "not_met", "met", "correction")]}
    assert changes(nights, "protocol_version_before, protocol_version_after") == {
        "s1": [("1.0.0", "2.0.0")]
    }


def test_another_text_of_the_same_version_is_a_change_of_protocol(first: Nights) -> None:
    first.write_protocol("infusions.yaml", INFUSIONS.replace("max: 1.0", "max: 2.0"))
    found = night(first, 6)
    assert {(fate, *rows) for fate, rows in found.items()} == {
        (fate, ("dose", "not_met", "met", "protocol_change")) for fate in FATES
    }
    assert first.read(
        "SELECT count(DISTINCT change_id), bool_and(s.protocol = c.protocol), "
        "bool_and(c.as_of = r.as_of AND c.changed_at = r.started_at) FROM ops.verdict_changes c "
        "JOIN ops.runs r USING (run_id) JOIN marts.subject_adherence s USING (subject_id)"
    ) == [(len(FATES), True, True)]


def test_another_keel_that_finds_otherwise_is_told(first: Nights) -> None:
    with first.opened() as warehouse:
        warehouse.db.execute("UPDATE ops.runs SET keel_version = '0.0.9'")
        warehouse.db.execute("UPDATE ops.judged SET circumstances = 'of Keel 0.0.9'")
        warehouse.db.execute("UPDATE marts.verdicts SET status = 'not_met' WHERE status = 'met'")
    found = night(first, 6)
    assert {row[1:] for rows in found.values() for row in rows} == {
        ("not_met", "met", "protocol_change")
    }
    ((note,),) = {row for rows in changes(first, "note").values() for row in rows}
    assert note.endswith("before by Keel 0.0.9")


def test_a_night_judged_as_of_an_earlier_day_is_told_by_time(first: Nights) -> None:
    found = night(first, 1)
    assert found.keys() == {*FATES}
    assert {row[2:] for rows in found.values() for row in rows} == {(None, "time_passed")}


# --- properties ---

SUBJECT = "clinic_id, subject_kind, subject_id, protocol"


def verdicts(nights: Nights) -> dict[Key, tuple[str, bool]]:
    rows = nights.ask(
        f"SELECT {SUBJECT}, rule_id, v.status, v.waived FROM marts.verdicts v "
        "JOIN marts.subjects s USING (subject_no) JOIN marts.rules r USING (rule_no, protocol)"
    )
    return {row[:5]: row[5:] for row in rows}


def replayed(
    held: dict[Key, tuple[str, bool]], found: dict[Key, tuple[str, bool]], nights: Nights, run: str
) -> dict[Key, tuple[str, bool]]:
    """The verdicts of the night before with a run's changes, and those of new subjects."""
    judged = {key[:4] for key in held}
    now = held | {key: verdict for key, verdict in found.items() if key[:4] not in judged}
    for *key, was, status, marked, waived, cause in nights.ask(
        f"SELECT {SUBJECT}, rule_id, status_before, status_after, waived_before, waived_after, "
        f"cause FROM ops.verdict_changes WHERE run_id = '{run}'"
    ):
        assert held.get(tuple(key), (None, None)) == (was, marked)
        assert (cause == "waiver") == (was == status)
        now[tuple(key)] = (status, waived)
        if status is None:
            del now[tuple(key)]
    return now


@pytest.fixture(scope="module")
def held() -> Iterator[Warehouse]:
    """Tables of a warehouse, in memory."""
    with duckdb.connect() as db:
        for schema in ("facts", "marts", "ops"):
            db.execute(f"CREATE SCHEMA {schema}")
        for definition in (
            *table_definitions("marts").values(),
            *table_definitions("ops").values(),
        ):
            db.execute(definition)
        for contract in contracts().values():
            create_facts(db, contract)
        yield Warehouse(Path(), db)


SUBJECTS = [("north", "s1", "a"), ("south", "s1", "a"), ("north", "s1", "b"), ("north", "s2", "a")]
VERDICTS = st.dictionaries(
    st.sampled_from(SUBJECTS),
    st.dictionaries(
        st.sampled_from(["r1", "r2", "r3"]),
        st.tuples(st.sampled_from(["met", "not_met", "pending", "excluded"]), st.booleans()),
    ),
)
Held = dict[tuple[str, str, str], dict[str, tuple[str, bool]]]


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=VERDICTS, after=VERDICTS, turned=st.booleans())
def test_what_differs_is_a_change_and_nothing_else(
    held: Warehouse, before: Held, after: Held, turned: bool
) -> None:
    """Numbers of subjects and rules are each run's own."""
    held.db.execute("BEGIN")
    try:
        found = compared(held, before, after, turned=turned)
    finally:
        held.db.execute("ROLLBACK")
    nothing = (None, None)
    expected = [
        (*subject, rule, *was, *now, "waiver" if was[0] == now[0] else "protocol_change")
        for subject, rules in before.items()
        for rule in {*rules, *after.get(subject, {})}
        if (was := rules.get(rule, nothing)) != (now := after.get(subject, {}).get(rule, nothing))
    ]
    assert found == sorted(expected, key=lambda row: row[:4])


def compared(held: Warehouse, before: Held, after: Held, *, turned: bool) -> list[tuple[Any, ...]]:
    """The changes from one run's verdicts to another's."""
    at = datetime(2026, 5, 1, tzinfo=UTC)
    fill(held, before, turned=False)
    set_aside(held, None)
    for table in ("subjects", "verdicts", "rules", "protocols"):
        held.db.execute(table_definitions("marts")[table])
    fill(held, after, turned=turned)
    note_changes(held, (), Run("run", 1, at, at), 0, touched=False)
    return held.db.execute(
        "SELECT clinic_id, subject_id, protocol, rule_id, status_before, waived_before, "
        "status_after, waived_after, cause FROM ops.verdict_changes ORDER BY ALL"
    ).fetchall()


def fill(held: Warehouse, verdicts: Held, *, turned: bool) -> None:
    """Marts of one version of protocols a and b; `turned` numbers from the other end."""
    db = held.db
    rules = [(protocol, rule) for protocol in "ab" for rule in ("r1", "r2", "r3")]
    subjects = list(verdicts)
    if turned:
        rules.reverse()
        subjects.reverse()
    for number, (protocol, rule) in enumerate(rules):
        db.execute(
            "INSERT INTO marts.rules BY NAME SELECT ? AS rule_no, ? AS protocol, ? AS rule_id, "
            "'1.0.0' AS protocol_version, '' AS title, '' AS kind, '' AS severity, '' AS tier, "
            "'' AS asks, "
            "[] AS feeds",
            [number, protocol, rule],
        )
    for number, (clinic, subject, protocol) in enumerate(subjects):
        db.execute(
            "INSERT INTO marts.subjects BY NAME SELECT ? AS subject_no, ? AS clinic_id, "
            "'session' AS subject_kind, ? AS subject_id, ? AS protocol, "
            "'1.0.0' AS protocol_version, 'p' AS patient_id, DATE '2026-05-01' AS local_date, "
            "'' AS status, 0 AS met, 0 AS not_met, 0 AS not_evaluable, 0 AS pending, 0 AS excluded",
            [number, clinic, subject, protocol],
        )
        for rule, (status, waived) in verdicts[clinic, subject, protocol].items():
            db.execute(
                "INSERT INTO marts.verdicts VALUES (?, ?, ?, NULL, ?)",
                [number, rules.index((protocol, rule)), status, waived],
            )


ACTS = ("session", "correct", "withdraw", "score", "scores", "waive", "unwaive", "protocol", "none")


@pytest.mark.long
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    nights_of_acts=st.lists(
        st.lists(st.tuples(st.sampled_from(ACTS), st.integers(0, 3)), min_size=1, max_size=4),
        min_size=2, max_size=4,
    )
)  # fmt: skip
def test_changes_replayed_from_the_first_night_give_the_last(
    tmp_path_factory: pytest.TempPathFactory,
    nights_of_acts: list[list[tuple[str, int]]],
) -> None:
    nights = Nights(tmp_path_factory.mktemp("replay"))
    nights.sessions("north/2026-05-06", nights.session("s0"), nights.session("s1", dose=100))
    held: dict[Key, tuple[str, bool]] = {}
    for number, acts in enumerate([[], *nights_of_acts]):
        for at, (act, which) in enumerate(acts):
            perform(nights, act, which, f"{number}-{at}", AS_OF + timedelta(minutes=number))
        folder, _ = nights.publish(as_of=AS_OF + timedelta(hours=number))
        found = verdicts(nights)
        assert replayed(held, found, nights, folder.name) == found
        held = found


def perform(nights: Nights, act: str, which: int, label: str, taken: datetime) -> None:
    """One thing that may happen between two nights, `label` naming its file."""
    name, stamp = f"s{which}", taken.isoformat()
    if act in ("session", "correct"):
        dose = 100 if act == "correct" else 40
        nights.sessions(f"north/{label}", nights.session(name, dose=dose, extracted_at=stamp))
    elif act == "withdraw":
        row = {"session_id": name, "deleted": "true", "extracted_at": stamp}
        nights.rows(f"north/sessions_{label}.csv", [row])
    elif act in ("score", "scores"):
        row = {
            "outcome_id": f"o{which}", "patient_id": "p1", "session_id": name, "total": "30",
            "instrument": "PHQ-9", "administered_at": "2026-05-05T10:00", "extracted_at": stamp,
        }  # fmt: skip
        nights.rows(f"north/outcomes_{label}.csv", [row] if act == "score" else [], list(row))
    elif act in ("waive", "unwaive"):
        row = {
            "waiver_id": f"w{which}", "subject_id": name, "rule_id": "dose", "reason": "agreed",
            "approved_by": "director", "approved_on": "2026-05-20", "extracted_at": stamp,
            "deleted": str(act == "unwaive").lower(),
        }  # fmt: skip
        nights.rows(f"_network/waivers_{label}.csv", [row])
    elif act == "protocol":
        nights.write_protocol("infusions.yaml", INFUSIONS.replace("max: 1.0", f"max: {which}.0"))
