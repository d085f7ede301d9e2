"""People who are patients of two clinics, and how much of that their records still show."""

from __future__ import annotations

from collections.abc import Callable

from flows.demo.people import TWICE_HERE, TWICE_THERE, Care
from flows.demo.planting import Planting, Truth
from flows.demo.tables import Table, shown_id, size

_IDENTITY = ("given_name", "family_name", "birth_date", "sex", "postal_code", "phone")


def _as_it_is(patients: Table, at: int) -> None:
    """Every letter the same."""


def _mistyped(patients: Table, at: int) -> None:
    """A short form of the given name, and a letter too many in the family name."""
    given = str(patients["given_name"][at])
    patients["given_name"][at] = given[:-1] if len(given) > 4 else given + "y"
    patients["family_name"][at] = str(patients["family_name"][at]) + "e"


def _moved(patients: Table, at: int) -> None:
    """Another family name and another address; the telephone number was kept."""
    patients["family_name"][at] = str(patients["family_name"][at])[::-1].title()
    patients["postal_code"][at] = str(patients["postal_code"][at])[::-1]


# Strength, and what became of the record.
_STRENGTHS: tuple[tuple[str, Callable[[Table, int], None]], ...] = (
    ("exact", _as_it_is), ("mistyped", _mistyped), ("moved", _moved),
)  # fmt: skip


def come_from(care: Care, other: Care) -> None:
    """Some patients of another clinic are patients here too; no number of the network says so."""
    mine, theirs = care.tables["patients"], other.tables["patients"]
    if min(size(mine), size(theirs)) <= max(TWICE_THERE):
        return
    for (_, change), here, there in zip(_STRENGTHS, TWICE_HERE, TWICE_THERE, strict=True):
        for column in _IDENTITY:
            mine[column][here] = theirs[column][there]
        change(mine, here)


def note_people(planting: Planting, other: Care) -> None:
    """Write down who is whom, and that they are treated at two clinics."""
    care = planting.care
    if min(size(each.tables["patients"]) for each in (care, other)) <= max(TWICE_THERE):
        return
    for (strength, _), here, there in zip(_STRENGTHS, TWICE_HERE, TWICE_THERE, strict=True):
        note_twice(planting, other, here, there, strength)


def note_twice(planting: Planting, other: Care, here: int, there: int, strength: str) -> None:
    """Two records of one person, by position."""
    mine, theirs = planting.care.clinic, other.clinic
    ids = [shown_id(mine, "patient_id", here + 1), shown_id(theirs, "patient_id", there + 1)]
    planting.truth.append(
        Truth("person", mine.clinic_id, "patients", "patient", ids[0], strength,
              reason="the same person", other_id=ids[1])
    )  # fmt: skip
    for clinic, patient in ((mine, ids[0]), (theirs, ids[1])):
        planting.truth.append(
            Truth("risk", clinic.clinic_id, "patients", "patient", patient, "several-clinics",
                  status=strength, reason="a patient of another clinic too")
        )  # fmt: skip
