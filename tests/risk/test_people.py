"""Which records are one person's; what is compared is told to nobody."""

from __future__ import annotations

import random
from itertools import combinations, pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows import linking
from flows.errors import KeelError
from flows.people import FOUND_BY, people
from protocols.risk import risk

COLUMNS = ("given_name", "family_name", "birth_date", "sex", "postal_code", "phone")
ANNA = ("anna", "berg", "1980-02-03", "F", "10001", "5550100")
SCHEMA = dict.fromkeys(("clinic_id", "patient_id", "person_id", *COLUMNS), pl.String)


def record(place: int, person_id: str | None = None, **other: Any) -> dict[str, Any]:
    """Anna's record at a clinic of its own, but for what is other there."""
    named = dict(zip(COLUMNS, ANNA, strict=True)) | other
    return {"clinic_id": f"c{place:02}", "patient_id": "p", "person_id": person_id} | named


def found(*records: dict[str, Any]) -> list[tuple[str, int, str]]:
    rows = people(pl.DataFrame(list(records), schema=SCHEMA), risk().people)
    return rows.drop("patient_id").rows()


def test_one_number_is_one_person_whatever_the_names() -> None:
    other = record(2, "n1", given_name="otto", family_name="klein", birth_date="1950-01-01")
    assert found(record(1, "n1"), other) == [("c01", 1, "person_id"), ("c02", 1, "person_id")]


def test_two_numbers_are_two_people_whatever_the_names() -> None:
    assert found(record(1, "n1"), record(2, "n2")) == []


@pytest.mark.parametrize("other", [{}, {"phone": None}, {"postal_code": "99999"}])
def test_the_same_keys_are_one_person(other: dict[str, Any]) -> None:
    assert found(record(1, "n1"), record(2, **other)) == [("c01", 1, "keys"), ("c02", 1, "keys")]


@pytest.mark.parametrize(
    "other",
    [
        {"given_name": "ana", "family_name": "bergh"},
        {"birth_date": "1980-03-03", "phone": None},
        {"family_name": "holm", "postal_code": "99999"},
        {"given_name": "annabel", "sex": None, "phone": "5550199"},
    ],
    ids=["mistyped", "birth date mistyped", "moved and married", "in full"],
)
def test_records_that_differ_a_little_are_one_person(other: dict[str, Any]) -> None:
    assert found(record(1), record(2, **other)) == [("c01", 1, "scores"), ("c02", 1, "scores")]


@pytest.mark.parametrize(
    "other",
    [
        {"given_name": "britta"},
        {"given_name": "bertil", "sex": "M"},
        {"birth_date": "2008-07-19"},
        {"family_name": "holm", "postal_code": "99999", "phone": "5550199"},
        {"given_name": None},
        dict.fromkeys(COLUMNS),
    ],
    ids=["twin", "twin brother", "daughter of the same name", "only a name and a birth date",
         "no given name", "nothing known"],
)  # fmt: skip
def test_strangers_and_kin_are_not(other: dict[str, Any]) -> None:
    assert found(record(1), record(2, **other)) == []


def test_splink_is_begun_only_for_records_that_it_would_compare(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(linking, "_scored", None)
    assert found(record(1), record(2, given_name="otto", birth_date=None, phone=None)) == []
    assert found(record(1), *(record(n, **dict.fromkeys(COLUMNS)) for n in (2, 3))) == []
    with pytest.raises(KeelError):
        found(record(1), record(2, phone="5"))


def test_the_order_of_records_changes_nothing() -> None:
    """Records of three people, each a little like the one before it."""
    names = ("anna", "carla", "dagmar")
    records = [
        record(3 * at + form, given_name=name, birth_date=f"19{70 + at}-02-03", phone=f"555010{at}",
               family_name=("berg", "bergh", "holm")[form])
        for at, name in enumerate(names)
        for form in range(3)
    ]  # fmt: skip
    first = found(*records)
    assert len(first) == len(records)
    assert [person for _, person, _ in first] == [1] * 3 + [2] * 3 + [3] * 3
    shuffled = random.Random(4).sample(records, len(records))
    again = {clinic: (person, by) for clinic, person, by in found(*shuffled)}
    groups = [{again[f"c{3 * at + form:02}"][0] for form in range(3)} for at in range(3)]
    assert [len(group) for group in groups] == [1, 1, 1]
    assert all(one.isdisjoint(other) for one, other in pairwise(groups))
    assert {by for _, by in again.values()} <= set(FOUND_BY)


def test_a_failure_tells_nothing_of_what_was_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise ValueError("could not compare anna berg")

    monkeypatch.setattr(linking, "_scored", fails)
    with pytest.raises(KeelError) as caught:
        found(record(1), record(2, family_name="holm"))
    assert "anna" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def several(count: int, **other: Any) -> list[dict[str, Any]]:
    """Records that have nothing in common but what is said."""
    return [
        record(n, given_name=f"g{n:x}", family_name=f"f{n:x}", birth_date=None, postal_code=f"{n}",
               phone=None) | other
        for n in range(10, 10 + count)
    ]  # fmt: skip


@pytest.mark.parametrize(("more", "compared"), [(0, True), (1, False)])
def test_what_more_records_have_in_common_tells_nobody_from_anybody(
    more: int, compared: bool
) -> None:
    """A telephone number that is written where none is known."""
    held = risk().people
    mine = [record(1), record(2, family_name="holm", postal_code="99999")]
    crowd = several(held.block_most - len(mine) + more, given_name="anna", phone=ANNA[-1])
    strangers = [each | {"birth_date": "1950-01-01"} for each in crowd]
    alone = held.model_copy(update={"blocks": (("given_name", "phone"),)})
    rows = people(pl.DataFrame([*mine, *strangers], schema=SCHEMA), alone)
    assert rows["clinic_id"].is_in(["c01", "c02"]).sum() == (2 if compared else 0)


ALIKE = st.sampled_from(["a", "b", None])


@settings(max_examples=200)
@given(st.lists(st.tuples(ALIKE, ALIKE, ALIKE), max_size=12), st.integers(2, 5))
def test_pairs_that_are_compared_have_a_block_of_few_in_common(
    rows: list[tuple[str | None, str | None, str | None]], most: int
) -> None:
    names = ("given_name", "birth_date", "phone")
    held = risk().people.model_copy(update={"blocks": (names[:2], names[1:]), "block_most": most})
    records = pl.DataFrame(rows, dict.fromkeys(names, pl.String), orient="row").with_columns(
        number=pl.int_range(pl.len(), dtype=pl.Int64)
    )
    pairs = list(combinations(range(len(rows)), 2))
    wanted = [
        [
            (a, b)
            for a, b in pairs
            if of[a] == of[b] and None not in of[a] and of.count(of[a]) <= most
        ]
        for of in ([row[:2] for row in rows], [row[1:] for row in rows])
    ]
    in_blocks = linking.blocked(records, held).sort("number")
    seen = [
        [(a, b) for a, b in pairs if of[a] == of[b] and of[a] is not None]
        for of in (in_blocks["block_0"].to_list(), in_blocks["block_1"].to_list())
    ]
    assert seen == wanted
    assert linking.pair_count(in_blocks) == sum(map(len, wanted))


def test_pairs_are_compared_in_portions_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    records = [
        record(10 * at + n, given_name=name, birth_date=f"19{70 + at}-02-03", phone=f"555010{at}",
               postal_code=f"{n}", family_name="berg" + "ab"[n % 2])
        for at, name in enumerate(("anna", "carla", "dagmar"))
        for n in range(8)
    ]  # fmt: skip
    whole = found(*records)
    assert {person for _, person, _ in whole} == {1, 2, 3}
    monkeypatch.setattr(linking, "PAIRS_AT_ONCE", 7)
    assert found(*records) == whole
