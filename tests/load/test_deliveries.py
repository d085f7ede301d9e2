"""Sentences of the contract about deliveries, one example each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.load.network import NORTH, SOUTH, Network

DAY = "2026-01-0{}T06:00:00Z"


def staff(name: str, role: str = "nurse", day: int | None = None, **more: str) -> dict[str, str]:
    taken = {} if day is None else {"extracted_at": DAY.format(day)}
    return {"staff_id": name, "role": role, **taken, **more}


def test_a_later_delivery_of_a_key_corrects_it_and_the_earlier_version_is_kept(
    network: Network,
) -> None:
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1)])
    network.rows(f"{NORTH}/staff_b.csv", [staff("ann", "therapist", 2)])
    network.night()
    assert network.facts("staff", "staff_id", "role") == [("ann", "therapist")]
    history = network.ask(
        "SELECT h.role, b.path FROM facts.staff_history h JOIN ops.batches b ON b.batch_no = _batch"
    )
    assert history == [("nurse", f"{NORTH}/staff_a.csv")]


def test_a_late_delivery_lands_in_history(network: Network) -> None:
    network.rows(f"{NORTH}/staff_b.csv", [staff("ann", "therapist", 2)])
    network.night()
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1)])
    network.night()
    assert network.facts("staff", "role") == [("therapist",)]
    assert network.facts("staff_history", "role") == [("nurse",)]


def test_without_extracted_at_the_date_in_the_name_decides(network: Network) -> None:
    network.rows(f"{NORTH}/staff_2026-01-09.csv", [staff("ann", "therapist")])
    network.rows(f"{NORTH}/staff_b_2026-01-08.csv", [staff("ann", "nurse")])
    network.night()
    assert network.facts("staff", "role") == [("therapist",)]


def test_the_date_in_a_name_is_the_end_of_that_local_day(network: Network) -> None:
    network.rows(f"{NORTH}/staff_2026-01-09.csv", [staff("ann", "therapist")])
    network.rows(
        f"{NORTH}/staff_b.csv", [staff("ann", "nurse") | {"extracted_at": "2026-01-09T23:30"}]
    )
    network.night()
    assert network.facts("staff", "role") == [("therapist",)]
    network.rows(
        f"{NORTH}/staff_c.csv", [staff("ann", "pharmacist") | {"extracted_at": "2026-01-10T00:30"}]
    )
    network.night()
    assert network.facts("staff", "role") == [("pharmacist",)]


def test_without_either_the_first_seen_decides(network: Network) -> None:
    network.rows(f"{NORTH}/staff_b.csv", [staff("ann", "therapist")])
    network.night()
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse")])
    network.night()
    assert network.facts("staff", "role") == [("nurse",)]


def test_deleted_withdraws_a_row_that_needs_only_its_id(network: Network) -> None:
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1), staff("ben", "nurse", 1)])
    network.night()
    network.rows(f"{NORTH}/staff_b.csv", [staff("ann", "", 2, deleted="TRUE")])
    night = network.night()
    assert network.facts("staff", "staff_id") == [("ben",)]
    assert night["staff"].batches == {"accepted": 1} and night["staff"].loaded == 1


def test_a_withdrawn_row_that_is_delivered_again_later_is_back(network: Network) -> None:
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1)])
    network.rows(f"{NORTH}/staff_b.csv", [staff("ann", "nurse", 2, deleted="true")])
    network.night()
    network.rows(f"{NORTH}/staff_c.csv", [staff("ann", "nurse", 3)])
    network.night()
    assert network.facts("staff", "staff_id") == [("ann",)]


def test_a_row_that_says_the_same_again_is_unchanged(network: Network) -> None:
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1), staff("ben", "nurse", 1)])
    network.night()
    network.rows(f"{NORTH}/staff_b.csv", [staff("ann", "nurse", 2), staff("ben", "admin", 2)])
    night = network.night()["staff"]
    assert (night.loaded, night.unchanged, night.quarantined) == (1, 1, 0)


def test_the_same_key_at_two_clinics_is_two_rows(network: Network) -> None:
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1)])
    network.rows(f"{SOUTH}/staff_a.csv", [staff("ann", "admin", 1)])
    network.night()
    assert network.facts("staff", "clinic_id", "role") == [(NORTH, "nurse"), (SOUTH, "admin")]


def test_a_key_twice_in_a_file_with_different_contents_quarantines_both(network: Network) -> None:
    network.rows(
        f"{NORTH}/staff_a.csv",
        [staff("ann", "nurse", 1), staff("ben", "nurse", 1), staff("ann", "admin", 1)],
    )
    network.night()
    assert network.facts("staff", "staff_id") == [("ben",)]
    quarantined = network.ask("SELECT row_number, key_id, reasons FROM ops.quarantine ORDER BY 1")
    assert quarantined == [
        (1, "ann", ["staff_id: key_twice"]),
        (3, "ann", ["staff_id: key_twice"]),
    ]
    assert network.batches("staff") == [(f"{NORTH}/staff_a.csv", "partial", 3, 1, 0, 2)]


def test_a_key_twice_with_the_same_contents_is_one_row(network: Network) -> None:
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1), staff("ann", "nurse", 1)])
    network.night()
    assert network.batches("staff") == [(f"{NORTH}/staff_a.csv", "accepted", 2, 1, 1, 0)]


def test_ties_go_to_the_greater_sha256(network: Network) -> None:
    import hashlib

    from checks.contract import contract

    rows = [staff("ann", role, 1) for role in ("nurse", "admin", "therapist")]
    digests = {
        hashlib.sha256(
            "\x1f".join(row.get(name, "") for name in contract("staff").names).encode()
        ).hexdigest(): row["role"]
        for row in rows
    }
    for night, row in enumerate(rows):
        network.rows(f"{NORTH}/staff_{night}.csv", [row])
        network.night()
    assert network.facts("staff", "role") == [(digests[max(digests)],)]


def test_a_file_of_the_same_bytes_is_a_duplicate(network: Network) -> None:
    network.rows(f"{NORTH}/staff_2026-01-01.csv", [staff("ann", "nurse", 1)])
    network.night()
    network.rows(f"{NORTH}/staff_2026-01-02.csv", [staff("ann", "nurse", 1)])
    night = network.night()
    assert night["staff"].batches == {"duplicate": 1}
    assert network.state(f"{NORTH}/staff_2026-01-02.csv")[0] == "duplicate"


def test_the_same_bytes_under_a_later_date_are_a_delivery(network: Network) -> None:
    network.rows(f"{NORTH}/staff_2026-01-01.csv", [staff("ann")])
    network.night()
    network.rows(f"{NORTH}/staff_2026-01-02.csv", [staff("ann")])
    network.rows(f"{NORTH}/staff_2025-12-31.csv", [staff("ann")])
    network.night()
    assert network.state(f"{NORTH}/staff_2026-01-02.csv")[0] == "accepted"
    assert network.state(f"{NORTH}/staff_2025-12-31.csv")[0] == "duplicate"


def test_the_same_bytes_under_a_later_date_are_a_delivery_if_one_row_says_no_time_of_its_own(
    network: Network,
) -> None:
    rows = [staff("ann", "nurse"), staff("ben", "nurse", 3)]
    network.rows(f"{NORTH}/staff_2026-01-02.csv", rows)
    network.rows(f"{NORTH}/staff_b.csv", [staff("ann", "therapist", 4)])
    network.night()
    assert ("ann", "therapist") in network.facts("staff", "staff_id", "role")
    network.rows(f"{NORTH}/staff_2026-01-05.csv", rows)
    network.night()
    assert network.facts("staff", "staff_id", "role") == [("ann", "nurse"), ("ben", "nurse")]


def test_the_same_bytes_twice_in_one_night_are_one_delivery(network: Network) -> None:
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1)])
    network.rows(f"{NORTH}/staff_b.csv", [staff("ann", "nurse", 1)])
    assert network.night()["staff"].batches == {"accepted": 1, "duplicate": 1}


def test_the_same_bytes_at_another_clinic_are_no_duplicate(network: Network) -> None:
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1)])
    network.rows(f"{SOUTH}/staff_a.csv", [staff("ann", "nurse", 1)])
    assert network.night()["staff"].batches == {"accepted": 2}


def test_an_unchanged_file_is_not_new_nor_is_one_that_was_only_touched(network: Network) -> None:
    path = network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1)])
    network.night()
    assert network.night()["staff"].batches == {}
    os.utime(path, ns=(1, 1))
    assert network.night()["staff"].batches == {}
    assert len(network.batches("staff")) == 1


def test_a_file_that_was_overwritten_is_a_delivery(network: Network) -> None:
    network.rows(f"{NORTH}/staff.csv", [staff("ann", "nurse", 1)])
    network.night()
    network.rows(f"{NORTH}/staff.csv", [staff("ann", "therapist", 2)])
    assert network.night()["staff"].batches == {"accepted": 1}
    assert network.facts("staff", "role") == [("therapist",)]


def test_a_file_that_goes_back_to_earlier_bytes_is_a_duplicate(network: Network) -> None:
    for role, day in (("nurse", 1), ("therapist", 2), ("nurse", 1)):
        network.rows(f"{NORTH}/staff.csv", [staff("ann", role, day)])
        network.night()
    states = [state for _, state, *_ in network.batches("staff")]
    assert sorted(states) in (["accepted", "accepted"], ["accepted", "accepted", "duplicate"])
    assert network.facts("staff", "role") == [("therapist",)]


def test_a_file_with_only_a_header_is_a_delivery(network: Network) -> None:
    network.rows(f"{NORTH}/staff_2026-01-01.csv", [], ["staff_id", "role"])
    assert network.night()["staff"].batches == {"accepted": 1}
    assert network.batches("staff") == [(f"{NORTH}/staff_2026-01-01.csv", "accepted", 0, 0, 0, 0)]


def test_a_batch_with_more_than_its_share_quarantined_is_blocked(tmp_path: Path) -> None:
    network = Network(tmp_path, share=0.05)
    good = [staff(f"s{number}", "nurse", 1) for number in range(19)]
    network.rows(f"{NORTH}/staff_a.csv", [*good, staff("bad", "wizard", 1)])
    network.rows(f"{SOUTH}/staff_a.csv", [*good[:18], staff("bad", "wizard", 1)])
    night = network.night()["staff"]
    assert night.batches == {"partial": 1, "blocked": 1}
    assert network.state(f"{SOUTH}/staff_a.csv")[0] == "blocked"
    assert network.ask("SELECT DISTINCT clinic_id FROM facts.staff") == [(NORTH,)]
    assert network.ask("SELECT clinic_id FROM ops.quarantine") == [(NORTH,)]


def test_a_quarantined_row_keeps_file_row_and_reasons_until_a_later_delivery_mends_it(
    network: Network,
) -> None:
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 2), staff("ben", "wizard", 2)])
    network.night()
    query = "SELECT row_number, key_id, reasons, released_run IS NULL FROM ops.quarantine"
    assert network.ask(query) == [(2, "ben", ["role: not_in_list"], True)]
    network.rows(f"{NORTH}/staff_b.csv", [staff("ben", "admin", 1)])
    network.night()
    assert network.ask(query)[0][3] is True, "an earlier extract mends nothing"
    network.rows(f"{NORTH}/staff_c.csv", [staff("ben", "admin", 3)])
    network.night()
    assert network.ask(query)[0][3] is False


def test_a_network_file_says_whose_each_row_is(network: Network) -> None:
    network.rows(
        "_network/staff_a.csv",
        [
            staff("ann", "nurse", 1, clinic_id=NORTH),
            staff("ben", "nurse", 1, clinic_id=SOUTH),
            staff("cy", "nurse", 1),
            staff("dee", "nurse", 1, clinic_id="atlantis"),
        ],
    )
    network.night()
    assert network.facts("staff", "clinic_id", "staff_id") == [(NORTH, "ann"), (SOUTH, "ben")]
    reasons = network.ask("SELECT key_id, reasons FROM ops.quarantine ORDER BY 1")
    assert reasons == [
        ("cy", ["clinic_id: missing"]),
        ("dee", ["clinic_id: unknown_clinic"]),
    ]


def test_an_empty_clinic_in_a_network_file_of_rates_means_every_clinic(network: Network) -> None:
    network.deliver(
        "_network/rates_2026-01-01.csv",
        "rate_id,resource,amount,effective_from,clinic_id\n"
        f"r1,nurse_hour,60,2026-01-01,\nr1,nurse_hour,70,2026-01-01,{NORTH}\n",
    )
    network.night()
    facts = network.ask("SELECT clinic_id, amount::INT FROM facts.rates ORDER BY amount")
    assert facts == [(None, 60), (NORTH, 70)]
    network.deliver(
        "_network/rates_2026-07-01.csv",
        "rate_id,resource,amount,effective_from,clinic_id\nr1,nurse_hour,65,2026-01-01,\n",
    )
    network.night()
    facts = network.ask("SELECT clinic_id, amount::INT FROM facts.rates ORDER BY amount")
    assert facts == [(None, 65), (NORTH, 70)]


def test_a_row_that_names_another_clinic_than_its_folder_is_quarantined(network: Network) -> None:
    network.rows(
        f"{NORTH}/staff_a.csv",
        [staff("ann", "nurse", 1, clinic_id=SOUTH), staff("ben", "nurse", 1, clinic_id=NORTH)],
    )
    network.night()
    assert network.facts("staff", "staff_id") == [("ben",)]


def test_a_folder_of_an_unknown_clinic_waits_until_it_is_known(network: Network) -> None:
    network.rows("west/staff_a.csv", [staff("ann", "nurse", 1)])
    assert network.night()["staff"].batches == {"blocked": 1}
    network.deliver(
        "_network/clinics_2026-01-02.csv", "clinic_id,name,time_zone\nwest,West,America/Denver\n"
    )
    assert network.night()["staff"].batches == {"accepted": 1}
    assert ("west", "ann") in network.facts("staff", "clinic_id", "staff_id")


def test_local_times_are_read_again_when_the_clinic_s_time_zone_is_corrected(
    network: Network,
) -> None:
    network.deliver(
        f"{NORTH}/shifts_a.csv",
        "shift_id,staff_id,started_at,ended_at\ns1,ann,2026-02-02T08:00,2026-02-02T16:00\n",
    )
    network.night()
    hour = "SELECT extract('hour' FROM started_at) FROM facts.shifts"
    assert network.ask(hour) == [(14,)]
    network.deliver(
        "_network/clinics_2026-05-01.csv",
        f"clinic_id,name,time_zone\n{NORTH},North,America/New_York\n",
    )
    network.night()
    assert network.ask(hour) == [(13,)]


def test_a_local_time_that_the_clocks_skipped_or_that_came_twice_is_quarantined(
    network: Network,
) -> None:
    network.deliver(
        f"{NORTH}/shifts_a.csv",
        "shift_id,staff_id,started_at,ended_at\n"
        "s1,ann,2026-03-08T02:30,2026-03-08T16:00\n"
        "s2,ann,2025-11-02T01:30,2025-11-02T16:00\n"
        "s3,ann,2025-11-02T01:30-06:00,2025-11-02T16:00\n",
    )
    network.night()
    assert network.facts("shifts", "shift_id") == [("s3",)]
    assert network.ask("SELECT reasons FROM ops.quarantine ORDER BY row_number") == [
        (["started_at: missing_local_time"],),
        (["started_at: ambiguous_local_time"],),
    ]


def test_an_unknown_column_is_kept_in_raw_and_warned_of(network: Network) -> None:
    network.rows(
        f"{NORTH}/staff_a.csv", [{**staff("ann", "nurse", 1), "mood": "x"}],
        ["staff_id", "role", "extracted_at", "mood"],
    )  # fmt: skip
    night = network.night()["staff"]
    assert night.batches == {"accepted": 1}
    assert any("mood" in note for note in night.notes)
    (raw,) = (network.settings.warehouse / "raw" / NORTH / "staff").glob("*.parquet")
    assert network.ask(f"SELECT mood FROM '{raw}'") == [("x",)]


@pytest.mark.parametrize("gone", [("ann",), ("ann", "ben")])
def test_in_a_full_feed_absence_from_a_later_file_withdraws(
    tmp_path: Path, gone: tuple[str, ...]
) -> None:
    network = Network(tmp_path, full=["staff"])
    names = ("ann", "ben", "cy", "dee")
    network.rows(f"{NORTH}/staff_a.csv", [staff(name, "nurse", 1) for name in names])
    network.rows(f"{SOUTH}/staff_a.csv", [staff(name, "nurse", 1) for name in names])
    network.night()
    left = [name for name in names if name not in gone]
    network.rows(f"{NORTH}/staff_b.csv", [staff(name, "nurse", 2) for name in left])
    network.night()
    kept = network.ask(f"SELECT staff_id FROM facts.staff WHERE clinic_id = '{NORTH}' ORDER BY 1")
    assert [name for (name,) in kept] == left
    south = network.ask(f"SELECT count(*) FROM facts.staff WHERE clinic_id = '{SOUTH}'")
    assert south == [(4,)]


def test_in_a_full_feed_a_quarantined_row_is_present(tmp_path: Path) -> None:
    network = Network(tmp_path, full=["staff"])
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1), staff("ben", "nurse", 1)])
    network.night()
    network.rows(f"{NORTH}/staff_b.csv", [staff("ann", "nurse", 2), staff("ben", "wizard", 2)])
    network.night()
    assert network.facts("staff", "staff_id") == [("ann",), ("ben",)]


def test_in_a_full_feed_an_earlier_file_that_comes_late_withdraws_nothing(tmp_path: Path) -> None:
    network = Network(tmp_path, full=["staff"])
    network.rows(f"{NORTH}/staff_b.csv", [staff("ann", "nurse", 2), staff("ben", "nurse", 2)])
    network.night()
    network.rows(f"{NORTH}/staff_a.csv", [staff("ann", "nurse", 1), staff("cy", "nurse", 1)])
    network.night()
    assert network.facts("staff", "staff_id") == [("ann",), ("ben",)]
