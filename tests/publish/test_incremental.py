"""A night judges what it must, and the marts are as if everything had been judged."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.load.network import AS_OF, NORTH, SOUTH
from tests.publish.nights import INFUSIONS, Nights
from tests.publish.test_nights import with_known_key

NIGHTS = int(os.environ.get("KEEL_TEST_NIGHTS", "2"))


@pytest.fixture
def first(nights: Nights) -> Nights:
    """Ten patients of two clinics have been judged."""
    for clinic in (NORTH, SOUTH):
        nights.rows(f"{clinic}/outcomes_2026-05-30.csv", [])
        nights.sessions(
            f"{clinic}/2026-05-30",
            *(nights.session(f"s{at}", patient=f"p{at}", day=f"2026-05-{at + 10}")
              for at in range(10)),
        )  # fmt: skip
    nights.publish()
    return nights


def test_a_night_that_brings_nothing_judges_nobody(first: Nights) -> None:
    _, counts = first.publish()
    assert (counts.judged, counts.skipped) == (0, 20)


def test_a_corrected_row_has_its_patient_judged_again(first: Nights) -> None:
    first.sessions("north/2026-05-31", first.session("s3", patient="p3", dose=100))
    _, counts = first.publish()
    assert (counts.judged, counts.skipped) == (1, 19)
    assert first.read("SELECT subject_id FROM marts.findings WHERE rule_id = 'dose'") == [("s3",)]


def test_a_session_that_moves_to_another_patient_has_both_judged(first: Nights) -> None:
    first.sessions("north/2026-05-31", first.session("s3", patient="p4", day="2026-05-13"))
    _, counts = first.publish()
    assert (counts.judged, counts.skipped) == (2, 18)


def test_a_clinics_new_zone_has_the_clinic_judged_again(first: Nights) -> None:
    first.deliver(
        "_network/clinics_2026-05-31.csv",
        f"clinic_id,name,time_zone\n{NORTH},North,America/Denver\n",
    )
    _, counts = first.publish()
    assert (counts.judged, counts.skipped) == (10, 10)


def test_what_runs_out_of_time_is_judged_again(first: Nights) -> None:
    first.sessions("north/2026-05-31", first.session("late", patient="p1", day="2026-05-31"))
    first.rows("north/outcomes_2026-06-01.csv", [])
    first.publish()
    assert first.read("SELECT status FROM marts.findings WHERE subject_id = 'late'") == [
        ("pending",)
    ]
    first.rows("north/outcomes_2026-06-20.csv", [])
    _, counts = first.publish(as_of=AS_OF + timedelta(days=30))
    assert 0 < counts.judged < 20
    assert first.read("SELECT status FROM marts.findings WHERE subject_id = 'late'") == [
        ("not_met",)
    ]


def test_another_protocol_or_full_judges_everything(first: Nights) -> None:
    first.write_protocol("infusions.yaml", INFUSIONS.replace("max: 1.0", "max: 0.4"))
    _, counts = first.publish()
    assert (counts.judged, counts.skipped) == (20, 0)
    _, counts = first.publish(full=True)
    assert (counts.judged, counts.skipped) == (20, 0)


def test_months_that_did_not_change_are_hard_links(first: Nights) -> None:
    before = {path: inode(first.current / "verdicts" / path) for path in first.verdicts()}
    first.sessions("north/2026-06-01", first.session("june", patient="p1", day="2026-06-01"))
    first.publish()
    after = {path: inode(first.current / "verdicts" / path) for path in first.verdicts()}
    same = {path for path in before if after[path] == before[path]}
    assert same == {"clinic_id=south/month=2026-05/part.parquet"}
    assert json.loads((first.current / "manifest.json").read_text())["files"].keys() >= {
        f"verdicts/{path}" for path in after
    }


def inode(path: Path) -> int:
    return path.stat().st_ino


# --- incremental = full ---

happenings = st.lists(
    st.one_of(
        st.tuples(st.just("session"), st.sampled_from([NORTH, SOUTH]), st.integers(0, 3),
                  st.integers(0, 2), st.sampled_from([20, 40, 100])),
        st.tuples(st.just("withdraw"), st.sampled_from([NORTH, SOUTH]), st.integers(0, 3)),
        st.tuples(st.just("outcome"), st.sampled_from([NORTH, SOUTH]), st.integers(0, 3),
                  st.sampled_from(["12", "28", "many"])),
        st.tuples(st.just("scores until"), st.sampled_from([NORTH, SOUTH])),
        st.tuples(st.just("waiver"), st.integers(0, 3), st.booleans()),
        st.tuples(st.just("protocol"), st.sampled_from(["0.4", "1.0"])),
        st.tuples(st.just("days pass"), st.integers(1, 9)),
        st.tuples(st.just("night")),
        st.tuples(st.just("night")),
    ),
    min_size=3, max_size=14,
)  # fmt: skip


@settings(
    max_examples=NIGHTS,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(happenings)
def test_any_nights_end_where_judging_everything_does(plan: list[tuple[object, ...]]) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        nights = with_known_key(Nights(folder / "by-night"))
        at = AS_OF - timedelta(days=20)
        for number, (what, *how) in enumerate(plan):
            at = happen(nights, number, str(what), how, at)
        nights.publish(as_of=at)
        at_once = with_known_key(Nights(folder / "at-once"))
        at_once.set(**{name: getattr(nights.settings, name) for name in
                       ("landing", "protocols", "as_of")})  # fmt: skip
        at_once.publish(full=True)
        assert nights.marts() == at_once.marts()
        assert nights.verdicts() == at_once.verdicts()


def happen(nights: Nights, number: int, what: str, how: list[object], at: object) -> object:
    """One thing happens at the network; gives the instant it is then."""
    now = at.isoformat()  # type: ignore[attr-defined]
    if what == "session":
        clinic, session, patient, dose = how
        nights.sessions(
            f"{clinic}/{number}",
            nights.session(f"s{session}", patient=f"p{patient}", dose=float(str(dose)),
                           day=f"2026-05-{12 + 4 * int(str(session))}", extracted_at=now),
        )  # fmt: skip
    elif what == "withdraw":
        row = {"session_id": f"s{how[1]}", "deleted": "true", "extracted_at": now}
        nights.rows(f"{how[0]}/sessions_{number}.csv", [row])
    elif what == "outcome":
        row = {
            "outcome_id": f"o{how[1]}", "patient_id": f"p{how[1]}", "session_id": f"s{how[1]}",
            "instrument": "PHQ-9", "administered_at": f"2026-05-{14 + 4 * int(str(how[1]))}T09:00",
            "total": str(how[2]), "extracted_at": now,
        }  # fmt: skip
        nights.rows(f"{how[0]}/outcomes_{number}.csv", [row])
    elif what == "scores until":
        nights.rows(f"{how[0]}/outcomes_{number}_{now[:10]}.csv", [])
    elif what == "waiver":
        row = {
            "waiver_id": f"w{how[0]}", "subject_id": f"s{how[0]}", "rule_id": "dose",
            "reason": "agreed", "approved_by": "director", "approved_on": now[:10],
            "expires_on": now[:10] if how[1] else "", "clinic_id": "", "extracted_at": now,
        }  # fmt: skip
        nights.rows(f"_network/waivers_{number}.csv", [row])
    elif what == "protocol":
        nights.write_protocol("infusions.yaml", INFUSIONS.replace("max: 1.0", f"max: {how[0]}"))
    elif what == "days pass":
        return at + timedelta(days=int(str(how[0])))  # type: ignore[operator]
    else:
        nights.publish(as_of=at)  # type: ignore[arg-type]
    return at
