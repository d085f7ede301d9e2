"""What shows only against other rows and earlier deliveries: it warns, counts, and loads."""

from __future__ import annotations

from tests.load.network import NORTH, SOUTH, Network

VITALS = "vital_id,session_id,measured_at,spo2_pct\n"


def results(network: Network, kind: str, feed: str) -> list[tuple[object, ...]]:
    """(column, success, evaluated, unexpected) of the latest run."""
    return network.ask(
        "SELECT column_name, success, evaluated, unexpected FROM ops.check_results "
        f"WHERE kind = '{kind}' AND feed = '{feed}' AND run_id = (SELECT max(run_id) FROM "
        f"ops.check_results WHERE kind = '{kind}' AND feed = '{feed}') ORDER BY ALL"
    )


def test_a_reading_of_an_unknown_session_is_counted_and_loaded(network: Network) -> None:
    network.deliver(
        f"{NORTH}/sessions.csv", "session_id,patient_id,program,status\ns1,p1,x,completed\n"
    )
    network.deliver(
        f"{NORTH}/vitals.csv", VITALS + "v1,s1,2026-01-01T08:00,98\nv2,s2,2026-01-01T08:00,98\n"
    )
    network.deliver(f"{SOUTH}/vitals.csv", VITALS + "v1,s1,2026-01-01T08:00,98\n")
    network.night()
    assert results(network, "reference", "vitals") == [("session_id", False, 3, 2)]
    assert len(network.facts("vitals", "vital_id")) == 3


def test_a_delivery_much_smaller_than_usual_is_told(network: Network) -> None:
    rows = [f"s{number},nurse\n" for number in range(9)]
    network.deliver(f"{NORTH}/staff_2026-01-01.csv", "staff_id,role\n" + "".join(rows))
    network.night()
    assert results(network, "volume", "staff") == [("", True, 1, 0)]
    network.deliver(f"{NORTH}/staff_2026-01-02.csv", "staff_id,role\n" + "".join(rows[:2]))
    night = network.night()
    assert results(network, "volume", "staff") == [("", False, 1, 1)]
    assert night["staff"].batches == {"accepted": 1}


def test_a_feed_that_was_not_delivered_for_long_is_told(network: Network) -> None:
    network.deliver(f"{NORTH}/vitals_2026-05-30.csv", VITALS + "v1,s1,2026-01-01T08:00,98\n")
    network.deliver(f"{SOUTH}/vitals_2026-05-01.csv", VITALS + "v1,s1,2026-01-01T08:00,98\n")
    network.night()
    assert results(network, "freshness", "vitals") == [("", False, 2, 1)]


def test_a_column_that_is_suddenly_empty_is_told(network: Network) -> None:
    network.deliver(f"{NORTH}/vitals_2026-05-30.csv", VITALS + "v1,s1,2026-01-01T08:00,98\n")
    network.night()
    assert results(network, "missingness", "vitals") == []
    network.deliver(f"{NORTH}/vitals_2026-05-31.csv", VITALS + "v2,s1,2026-01-01T08:00,\n")
    network.night()
    found = {row[0]: row[1:] for row in results(network, "missingness", "vitals")}
    assert found["spo2_pct"] == (False, 1, 1)
    assert found["session_id"] == (True, 1, 0)


def test_totals_that_are_not_those_of_the_items_are_counted_and_loaded(network: Network) -> None:
    network.deliver(
        f"{NORTH}/outcomes.csv",
        "outcome_id,patient_id,instrument,administered_at,total,items\n"
        "o1,p1,PHQ-9,2026-01-01T08:00,9,1;1;1;1;1;1;1;1;1\n"
        "o2,p1,PHQ-9,2026-01-01T08:00,8,1;1;1;1;1;1;1;1;1\n"
        "o3,p1,PHQ-9,2026-01-01T08:00,8,\n"
        "o4,p1,PHQ-9,2026-01-01T08:00,,1;1;1;1;1;1;1;1;1\n"
        "o5,p1,BDI-II,2026-01-01T08:00,9,1;1\n",
    )
    network.night()
    assert results(network, "total", "outcomes") == [("total", False, 2, 1)]
    assert len(network.facts("outcomes", "outcome_id")) == 5
    network.deliver(
        f"{NORTH}/outcomes_later.csv",
        "outcome_id,patient_id,instrument,administered_at,total,items\n"
        "o2,p1,PHQ-9,2026-01-01T08:00,9,1;1;1;1;1;1;1;1;1\n",
    )
    network.night()
    assert results(network, "total", "outcomes") == [("total", True, 1, 0)]
