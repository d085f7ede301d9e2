"""The shipped contracts are valid by their standard's own library, and read as the brief says."""

from __future__ import annotations

import json
from importlib.resources import files

import jsonschema
import pytest
from open_data_contract_standard.model import OpenDataContractStandard

from checks.contract import COMMON, common_text, contract, contract_text, contracts, parse_contract
from checks.errors import CheckError

FEEDS = [
    "clinics", "hours", "staff", "shifts", "patients", "sessions", "doses", "vitals", "outcomes",
    "screenings", "medications", "dispenses", "inventory", "charges", "events", "contacts",
    "rates", "waivers",
]  # fmt: skip
DIRECT = {"given_name", "family_name", "postal_code", "phone", "birth_date", "person_id"}


@pytest.mark.parametrize("feed", [*FEEDS, COMMON])
def test_the_standards_library_takes_the_contract(feed: str) -> None:
    text = contract_text(feed)
    read = OpenDataContractStandard.from_string(text)
    assert read.schema_ is not None and read.schema_[0].name == feed
    schema = files("open_data_contract_standard") / "schema.json"
    jsonschema.validate(
        json.loads(read.model_dump_json(by_alias=True, exclude_none=True)),
        json.loads(schema.read_text(encoding="utf-8")),
    )


def test_there_are_the_feeds_of_the_brief_clinics_first() -> None:
    assert set(contracts()) == set(FEEDS)
    assert next(iter(contracts())) == "clinics"


def test_a_feed_comes_after_those_it_refers_to() -> None:
    order = list(contracts())
    for feed, held in contracts().items():
        for column in held.columns:
            if column.references and column.references[0] != feed:
                assert order.index(column.references[0]) < order.index(feed)


def test_direct_identifiers_are_marked() -> None:
    marked = {c.name for held in contracts().values() for c in held.columns if c.phi == "direct"}
    assert marked == DIRECT


def test_closed_lists_are_those_of_the_brief() -> None:
    closed = {(f, c.name): c.closed for f, held in contracts().items() for c in held.columns}
    assert closed["sessions", "route"] == ("IV", "IM", "SC", "IN", "SL", "PO")
    assert closed["screenings", "kind"] is None
    assert closed["medications", "class"] is not None


def test_every_feed_may_carry_the_common_columns() -> None:
    for held in contracts().values():
        assert held.names[-3:] == ("extracted_at", "recorded_at", "deleted")


def test_an_unknown_feed_names_the_nearest() -> None:
    with pytest.raises(CheckError, match="did you mean vitals"):
        contract("vital")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("logicalType: integer", "logicalType: string", "physicalType"),
        ("severity: quarantine", "severity: fatal", "severity"),
        ("name: hours_id", "name: weekday", "twice"),
        ("expect_column_values_to_be_between", "expect_luck", "expect_luck"),
        ("version: 1.0.0", "version: &a 1.0.0", "aliases"),
        ("version: 1.0.0", "version: no", "unquoted"),
        ("implementation:", "missing:", "wrong shape"),
        ("version: 1.0.0", "version: 1.0.0\nversion: 1.0.1", "twice"),
        ("version: 1.0.0", "version: !!python/object:os.system 1", "tags"),
    ],
)
def test_a_broken_contract_is_told_with_its_line(old: str, new: str, said: str) -> None:
    with pytest.raises(CheckError, match=rf"hours\.yaml.*{said}"):
        parse_contract(contract_text("hours").replace(old, new, 1), common_text(), "hours")
