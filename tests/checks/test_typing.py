"""What can be read as which type, and what is wrong with what cannot."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from checks.contract import contract, contracts
from checks.quarantine import reason_words
from tests.checks.typed import connect, stage, typed, vital

VITALS, DOSES, SESSIONS, PATIENTS = map(contract, ("vitals", "doses", "sessions", "patients"))
HOURS, CLINICS, RATES = map(contract, ("hours", "clinics", "rates"))


def dose(**values: str | None) -> dict[str, str | None]:
    return {
        "dose_id": "d1", "patient_id": "p1", "drug": "ketamine", "amount_mg": "40",
        "started_at": "2026-05-04T10:00:00Z", **values,
    }  # fmt: skip


def session(**values: str | None) -> dict[str, str | None]:
    return {
        "session_id": "s1", "patient_id": "p1", "program": "iv_ketamine", "status": "completed",
        **values,
    }  # fmt: skip


def hours(**values: str | None) -> dict[str, str | None]:
    return {
        "hours_id": "h1", "weekday": "1", "opens": "08:00", "closes": "17:30",
        "effective_from": "2026-01-01", **values,
    }  # fmt: skip


def clinic(**values: str | None) -> dict[str, str | None]:
    return {"clinic_id": "north", "name": "North", "time_zone": "America/New_York", **values}


def one(feed: Any, row: dict[str, str | None], **given: Any) -> dict[str, Any]:
    (found,) = typed(feed, [row], **given)
    return found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("97.5", 97.5), (" 97 ", 97.0), ("+97", 97.0), ("9.7e1", 97.0), ("97.", 97.0),
    ],
)  # fmt: skip
def test_a_number_is_read(text: str, value: float) -> None:
    found = one(VITALS, vital(spo2_pct=text))
    assert (found["spo2_pct"], found["_problems"]) == (value, [])


@pytest.mark.parametrize(
    "text",
    ["nan", "NaN", "inf", "-inf", "Infinity", "1e400", "-1e400", "97,5", "9_7", "97%", "0x61",
     "٩٧", "  ", "n/a", "1e", "--1", "97\u00a0", "true"],
)  # fmt: skip
def test_what_is_no_number_quarantines(text: str) -> None:
    found = one(VITALS, vital(spo2_pct=text))
    assert (found["spo2_pct"], found["_problems"]) == (None, ["spo2_pct: unreadable"])


def test_money_and_doses_are_exact() -> None:
    assert one(DOSES, dose(amount_mg="0.1"))["amount_mg"] == Decimal("0.100000")
    assert one(DOSES, dose(amount_mg="84.00000000000001"))["amount_mg"] == Decimal("84.000000")


@pytest.mark.parametrize("text", ["nan", "inf", "1e400", "4_0", "40,0", "9999999999999", "40 mg"])
def test_what_is_no_decimal_quarantines(text: str) -> None:
    found = one(DOSES, dose(amount_mg=text))
    assert (found["amount_mg"], found["_problems"]) == (None, ["amount_mg: unreadable"])


@pytest.mark.parametrize(("text", "value"), [("2", 2), ("2.0", 2), (" +2 ", 2), ("007", 7)])
def test_a_whole_number_is_read(text: str, value: int) -> None:
    found = one(DOSES, dose(devices=text))
    assert (found["devices"], found["_problems"]) == (value, [])


@pytest.mark.parametrize("text", ["2.5", "1e1", "2_0", "9223372036854775808", "two", "nan", "٢"])
def test_what_is_no_whole_number_quarantines(text: str) -> None:
    assert one(DOSES, dose(devices=text))["_problems"] == ["devices: unreadable"]


@pytest.mark.parametrize(("text", "value"), [("true", True), ("FALSE", False), ("True", True)])
def test_true_and_false_are_read_in_any_case(text: str, value: bool) -> None:
    assert one(SESSIONS, session(escort_confirmed=text))["escort_confirmed"] is value


@pytest.mark.parametrize("text", ["yes", "1", "0", "t", "on", "truе"])
def test_what_is_neither_true_nor_false_quarantines(text: str) -> None:
    found = one(SESSIONS, session(escort_confirmed=text))
    assert found["_problems"] == ["escort_confirmed: unreadable"]


def test_a_date_is_read() -> None:
    found = one(PATIENTS, {"patient_id": "p1", "birth_date": "2024-02-29"})
    assert (found["birth_date"], found["_problems"]) == (date(2024, 2, 29), [])


@pytest.mark.parametrize(
    "text",
    ["2023-02-29", "2024-2-9", "29.02.2024", "02/29/2024", "2024-02-29T00:00", "0000-01-01",
     "20240229", "2024-13-01", "-2024-01-01", "infinity", "today", "epoch"],
)  # fmt: skip
def test_what_is_no_date_quarantines(text: str) -> None:
    found = one(PATIENTS, {"patient_id": "p1", "birth_date": text})
    assert (found["birth_date"], found["_problems"]) == (None, ["birth_date: unreadable"])


@pytest.mark.parametrize("text", ["8:00", "24:00", "08:60", "08:00:00", "8", "08.00"])
def test_what_is_no_time_of_day_quarantines(text: str) -> None:
    assert one(HOURS, hours(opens=text))["_problems"] == ["opens: unreadable"]


def test_a_time_of_day_is_read() -> None:
    found = one(HOURS, hours(opens="08:05"))
    assert (found["opens"], found["_problems"]) == ("08:05", [])


def test_text_is_taken_as_it_is() -> None:
    odd = " O'Brien; DROP\t\U0001f98a "
    assert one(SESSIONS, session(chair=odd))["chair"] == odd


def test_an_empty_field_is_null() -> None:
    found = one(VITALS, vital(spo2_pct="", position=""))
    assert (found["spo2_pct"], found["position"], found["_problems"]) == (None, None, [])


def test_a_row_lacks_what_it_means_nothing_without() -> None:
    found = one(VITALS, vital(session_id="", measured_at=None))
    assert found["_problems"] == ["session_id: missing", "measured_at: missing"]


def test_a_value_outside_a_closed_list_quarantines_and_case_counts() -> None:
    assert one(SESSIONS, session(status="Completed"))["_problems"] == ["status: not_in_list"]
    assert one(DOSES, dose(drug="water"))["_problems"] == []


@pytest.mark.parametrize("text", ["120", "-1", "19.999"])
def test_what_no_living_adult_has_quarantines(text: str) -> None:
    assert one(VITALS, vital(spo2_pct=text))["_problems"] == ["spo2_pct: out_of_bounds"]


@pytest.mark.parametrize("text", ["100", "20", "45"])
def test_bounds_belong_to_what_is_possible(text: str) -> None:
    assert one(VITALS, vital(spo2_pct=text))["_problems"] == []


def test_unreadable_is_not_missing_too() -> None:
    found = one(DOSES, dose(amount_mg="forty", started_at="soon"))
    assert found["_problems"] == ["amount_mg: unreadable", "started_at: unreadable"]


def test_a_withdrawn_row_needs_only_its_id() -> None:
    bad = {"amount_mg": "forty", "started_at": "soon", "route": "by drone", "devices": "-4"}
    assert one(DOSES, {"dose_id": "d1", "deleted": "TRUE", **bad})["_problems"] == []
    assert one(DOSES, {"dose_id": "", "deleted": "true"})["_problems"] == ["dose_id: missing"]


def test_deleted_must_be_true_or_false_itself() -> None:
    assert one(DOSES, dose(deleted="gone"))["_problems"] == ["deleted: unreadable"]


def test_a_withdrawal_must_say_when_it_was_extracted_if_it_says_so() -> None:
    found = one(DOSES, {"dose_id": "d1", "deleted": "true", "extracted_at": "2026-05-04"})
    assert found["_problems"] == ["extracted_at: unreadable"]


def test_a_row_of_another_clinic_is_refused() -> None:
    assert one(DOSES, dose(_stated_clinic="south"))["_problems"] == ["clinic_id: not_this_clinic"]
    assert one(DOSES, dose(_stated_clinic="north"))["_problems"] == []


def test_a_row_of_no_clinic_is_refused_unless_it_may_be_of_every_clinic() -> None:
    assert one(DOSES, dose(), clinic=None, zones=[None])["_problems"] == ["clinic_id: missing"]
    rate = {
        "rate_id": "r1",
        "resource": "room_hour",
        "amount": "50",
        "effective_from": "2026-01-01",
    }
    assert one(RATES, rate, clinic=None, zones=[None])["_problems"] == []


def test_a_clinic_that_no_clinics_file_names_is_refused() -> None:
    assert one(DOSES, dose(), zones=[None])["_problems"] == ["clinic_id: unknown_clinic"]


@pytest.mark.parametrize(
    "zone", ["Eastern", "america/new_york", "UTC+5", "localtime", "Factory", "../etc/passwd"]
)
def test_a_clinics_zone_is_one_that_every_part_of_keel_knows(zone: str) -> None:
    found = one(CLINICS, clinic(time_zone=zone), zones=[zone])
    assert found["_problems"] == ["time_zone: unknown_zone"]


def test_a_clinic_with_no_id_says_so_once() -> None:
    found = one(CLINICS, clinic(clinic_id=None), clinic=None)
    assert found["_problems"] == ["clinic_id: missing"]


def test_a_local_time_in_an_unknown_zone_is_not_called_unreadable() -> None:
    row = clinic(time_zone="Eastern", extracted_at="2026-05-04T10:00")
    assert one(CLINICS, row, zones=["Eastern"])["_problems"] == [
        "time_zone: unknown_zone", "extracted_at: no_time_zone",
    ]  # fmt: skip


def test_content_is_the_same_when_only_the_extract_is_later() -> None:
    first, same, other, shifted = typed(
        VITALS,
        [
            vital(extracted_at="2026-05-04T20:00:00Z", spo2_pct="97"),
            vital(extracted_at="2026-05-05T20:00:00Z", spo2_pct="97"),
            vital(extracted_at="2026-05-04T20:00:00Z", spo2_pct="98"),
            vital(extracted_at="2026-05-04T20:00:00Z", respiratory_rate_bpm="97"),
        ],
    )
    assert first["_content"] == same["_content"]
    assert len({row["_content"] for row in (first, other, shifted)}) == 3


@pytest.mark.parametrize("feed", list(contracts()))
def test_every_feed_types_an_empty_delivery_and_a_row_of_nonsense(feed: str) -> None:
    held = contract(feed)
    with connect() as db:
        stage(db, held, [])
        columns = [name for name, *_ in db.sql("DESCRIBE typed").fetchall()]
        wanted = [name for name in held.names if name != "clinic_id"]
        assert columns == ["clinic_id", *wanted, "_batch", "_row", "_content", "_problems"]
        stage(db, held, [dict.fromkeys(held.names, "?!")])
        ((problems,),) = db.sql("SELECT _problems FROM typed").fetchall()
    unread = {column.name for column in held.columns if column.type != "text"}
    assert {p.partition(":")[0] for p in problems if p.endswith(": unreadable")} == unread
    assert len(set(problems)) == len(problems)


@pytest.mark.parametrize("feed", list(contracts()))
def test_every_reason_has_words_that_show_no_value(feed: str) -> None:
    held = contract(feed)
    nonsense = dict.fromkeys(held.names, "Zq7!")
    codes = set(one(held, nonsense, zones=[None])["_problems"])
    codes |= set(one(held, {"_stated_clinic": "south"}, clinic=None)["_problems"])
    for code in sorted(codes | {f"{held.id_column}: key_twice"}):
        words = reason_words(code, held)
        assert words.startswith(code.partition(":")[0] + " ")
        assert "Zq7!" not in words and "{" not in words and "None" not in words


def test_an_instant_comes_back_as_utc() -> None:
    found = one(VITALS, vital(measured_at="2026-05-04 10:00:00.25-04:00"))
    assert found["measured_at"] == datetime(2026, 5, 4, 14, 0, 0, 250_000, UTC)
