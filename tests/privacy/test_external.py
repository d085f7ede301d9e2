"""`--external`: what a reader outside the network gets, attacked with all the figures in it."""

from __future__ import annotations

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from flows.reports.external import FIGURES, PAGE, write_external
from flows.reports.external_figures import fewest_people
from tests.privacy.attack import span
from tests.privacy.outsiders import SECRET, Name, Truth, made_up

SMALL = 11
Shown = dict[Name, int | None]


def written(folder: Path, seed: int) -> tuple[Shown, str, Truth]:
    """The figures and the page of a run made up at random, and the truth."""
    db, truth = made_up(seed)
    with db:
        write_external(db, folder, SMALL)
    figures: Shown = {}
    with (folder / FIGURES).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = (row["table"], row["dimension"], row["member"], row["figure"])
            assert (row["shown"] == "true") == (row["count"] != "")
            figures[name] = int(row["count"]) if row["count"] else None
    return figures, (folder / PAGE).read_text(encoding="utf-8"), truth


def sums_of(names: list[Name]) -> list[tuple[Name, list[Name]]]:
    """Every way in which figures add up: parts of a member, members of the network."""
    found: list[tuple[Name, list[Name]]] = []
    for table, dimension, member, figure in names:
        if figure == "all":
            parts = [n for n in names if n[:3] == (table, dimension, member) and n[3] != "all"]
            found.append(((table, dimension, member, "all"), parts))
        if dimension == "network":
            for other in sorted({n[1] for n in names if n[0] == table} - {"network"}):
                members = [n for n in names if n[:2] == (table, other) and n[3] == figure]
                found.append(((table, dimension, member, figure), members))
    return found


def attacked(figures: Shown, truth: Truth) -> int:
    """Solve for each count of few people; gives how many there were."""
    small = 0
    for table in ("patients", "sessions", "rules", "courses"):
        names = [name for name in figures if name[0] == table]
        label = {name: "/".join(name) for name in names}
        sums = [(label[total], [label[part] for part in parts]) for total, parts in sums_of(names)]
        shown = {label[n]: value for n in names if (value := figures[n]) is not None}
        for name in names:
            value, people = truth.values[name], len(truth.people[name])
            if figures[name] is not None:
                assert figures[name] == value, name
            if not 1 <= people < SMALL:
                continue
            small += 1
            assert figures[name] is None, name
            low, high = span(label[name], shown, list(label.values()), sums)
            assert low <= value - 1, name
            assert high >= value + SMALL - 1, name
    return small


@pytest.mark.parametrize("seed", range(3))
def test_no_small_count_can_be_solved_for(tmp_path: Path, seed: int) -> None:
    figures, _, truth = written(tmp_path, seed)
    assert attacked(figures, truth) > 10
    assert set(truth.values) <= set(figures)
    assert sum(value is not None for value in figures.values()) > 20


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 200))
def test_no_small_count_of_a_hundred_networks_can_be_solved_for(tmp_path: Path, seed: int) -> None:
    figures, _, truth = written(tmp_path, seed)
    attacked(figures, truth)


class _Cells(HTMLParser):
    """The cells of each table row of the page."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] += data


def test_the_page_says_no_more_than_the_figures(tmp_path: Path) -> None:
    """Each number on the page is a figure that is shown, or a share of two that are."""
    figures, page, _ = written(tmp_path, 1)
    body = page.split("<main>")[1]
    reader = _Cells()
    reader.feed(body)
    lines = [row for row in reader.rows if row and "95 % interval" not in row]
    assert len(lines) > 20
    shown = {value for value in figures.values() if value is not None}
    for row in lines:
        numbers = [cell.replace(",", "") for cell in row[1:]]
        counts = [int(cell) for cell in numbers if cell.isdigit()]
        assert set(counts) <= shown, row
        if "%" in "".join(numbers):  # a share: the counts that it is made of stand beside it
            at = next(
                i for i, cell in enumerate(numbers) if cell.endswith("%") and "to" not in cell
            )
            hits, misses = (int(cell) for cell in numbers[at + 2 : at + 4])
            assert (
                abs(hits / (hits + misses) * 100 - float(re.findall(r"[\d.]+", numbers[at])[0]))
                <= 1
            )


def test_nothing_of_one_patient_session_or_lot_is_there(tmp_path: Path) -> None:
    _, page, _ = written(tmp_path, 2)
    text = page + (tmp_path / FIGURES).read_text(encoding="utf-8")
    assert not [secret for secret in SECRET if secret in text]
    assert "<script" not in page
    assert "http" not in page.replace('http-equiv="Content-Security-Policy"', "")
    assert "north &lt;i&gt;clinic&lt;/i&gt;" in page


def test_the_fewest_people_behind_events() -> None:
    assert [fewest_people(events, [3, 5, 1]) for events in (0, 1, 5, 6, 8, 9)] == [0, 1, 1, 2, 2, 3]
    pick = np.random.default_rng(5)
    for _ in range(50):
        of_each = pick.integers(1, 6, 6).tolist()
        events = int(pick.integers(1, sum(of_each) + 1))
        fewest = min(
            bin(chosen).count("1")
            for chosen in range(64)
            if sum(n for at, n in enumerate(of_each) if chosen >> at & 1) >= events
        )
        assert fewest_people(events, of_each) == fewest
