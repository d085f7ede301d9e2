"""A clinic that is late, broken or hangs holds no other back: what the others brought is published
the same night, and the summary says whose is missing. Many are read side by side, one writes.
"""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flows.commands.common import Exit
from flows.errors import UsageError
from flows.intake import sha256
from flows.settings import SourceSettings
from flows.warehouse import Warehouse
from tests.commands.cli import keel
from tests.load.network import NORTH, SOUTH, Network
from tests.publish.nights import Nights, plain_nights

HEADER = "staff_id,role\n"
FEEDS = ("clinics", "staff")
PEOPLE = "SELECT who AS staff_id, role, _file, _row FROM people"
FOR_EVER = "SELECT count(*) AS staff_id, 'nurse' AS role, 'people.csv' AS _file, 1 AS _row FROM {}"


@pytest.fixture(autouse=True)
def _plain() -> Iterator[None]:
    with plain_nights():
        yield


@pytest.fixture
def network(tmp_path: Path) -> Network:
    """The southern clinic delivers."""
    network = Network(tmp_path)
    network.deliver(f"{SOUTH}/staff.csv", HEADER + "sue,nurse\n")
    return network


def source(folder: Path, select: str = PEOPLE, people: str | None = "who,role\nann,nurse\n") -> Any:
    """The northern clinic's own layout; without `people`, its export has not come."""
    (folder / "staff.sql").write_text(select)
    if people is not None:
        (folder / "people.csv").write_text(people)
    return SourceSettings(
        system="hr", clinic=NORTH, files={"people": f"{folder}/people*.csv"},
        select={"staff": folder / "staff.sql"},
    )  # fmt: skip


def staff(network: Network) -> list[str]:
    return [name for (name,) in network.facts("staff", "staff_id")]


SOURCES: dict[str, tuple[dict[str, Any], str]] = {
    "has not come": ({"people": None}, "finds no file"),
    "is cut off": ({"people": "who,role\nann\n"}, "line 2"),
    "lost a column": ({"people": "name,role\nann,nurse\n"}, '"who" not found'),
    "raises": ({"select": PEOPLE.replace("role,", "who::INTEGER::VARCHAR AS role,")}, "try_cast"),
    "hangs": ({"select": FOR_EVER.format(", ".join(f"range(100000) r{n}" for n in range(4)))},
              "takes more than"),
}  # fmt: skip


@pytest.mark.parametrize("what", SOURCES)
def test_a_source_that_gives_nothing_holds_nobody_back(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("flows.sources.sandbox.MOST_SECONDS", 0.5)
    how, said = SOURCES[what]
    network.settings = network.settings.model_copy(update={"source": (source(tmp_path, **how),)})
    network.night(FEEDS)
    assert staff(network) == ["sue"]
    assert network.found.refused == (f"{NORTH}/hr",)
    (note,) = network.found.notes
    assert note.startswith(f"{NORTH}: nothing of it is loaded this time.") and said in note
    assert "ann" not in note

    network.settings = network.settings.model_copy(update={"source": (source(tmp_path),)})
    network.night(FEEDS)
    assert staff(network) == ["ann", "sue"] and network.found.refused == ()


@pytest.mark.parametrize("select", ["SELECT 1 AS staff_id FROM nobody", "SELECT", "DROP TABLE x"])
def test_sql_that_is_wrong_whatever_the_files_hold_is_a_wrong_setting(
    network: Network, tmp_path: Path, select: str
) -> None:
    wrong = source(tmp_path, select)
    network.settings = network.settings.model_copy(update={"source": (wrong,)})
    with pytest.raises(UsageError, match="source hr"):
        network.night(FEEDS)


def test_a_first_night_with_nothing_but_a_source_that_gives_nothing_is_not_published_empty(
    network: Network, tmp_path: Path
) -> None:
    network.settings = network.settings.model_copy(
        update={"source": (source(tmp_path, people=None),), "landing": tmp_path / "nowhere"}
    )
    with pytest.raises(UsageError, match="finds no file"):
        network.night(FEEDS)


def _gone(*_: Any, **__: Any) -> Any:
    raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))


def _no_folder(_: pytest.MonkeyPatch, network: Network) -> None:
    (network.landing / NORTH / "staff.csv").unlink()
    (network.landing / NORTH).rmdir()


def _blocked(_: pytest.MonkeyPatch, network: Network) -> None:
    network.deliver(f"{NORTH}/staff.csv", "staff\nann\n")


def _share_gone_before(monkeypatch: pytest.MonkeyPatch, network: Network) -> None:
    """Its name is still there, and whatever asks for more fails."""
    for name in ("scandir", "stat"):
        plain = getattr(os, name)

        def gone(path: Any, *more: Any, _plain: Any = plain, **named: Any) -> Any:
            away = str(path) == str(network.landing / NORTH)
            return (_gone if away else _plain)(path, *more, **named)

        monkeypatch.setattr(os, name, gone)


def _share_gone_meanwhile(monkeypatch: pytest.MonkeyPatch, network: Network) -> None:
    """The file is opened, and reading it fails."""
    plain, held = Path.open, network.landing / NORTH / "staff.csv"

    def gone(path: Path, *more: Any, **named: Any) -> Any:
        return (_gone if path.resolve() == held else plain)(path, *more, **named)

    monkeypatch.setattr(Path, "open", gone)


@pytest.mark.parametrize(
    ("trouble", "told"),
    [(_no_folder, None), (_blocked, "blocked"), (_share_gone_before, "refused"),
     (_share_gone_meanwhile, "refused")],
)  # fmt: skip
def test_a_clinic_s_folder_in_trouble_holds_nobody_back(
    network: Network, trouble: Callable[..., None], told: str | None
) -> None:
    network.deliver(f"{NORTH}/staff.csv", HEADER + "ann,nurse\n")
    with pytest.MonkeyPatch.context() as patch:
        trouble(patch, network)
        brought = network.night(FEEDS)
    assert staff(network) == ["sue"]
    assert (brought["staff"].batches.get("blocked", 0) == 1) is (told == "blocked")
    assert [name.split("/")[0] for name in network.found.refused] == [NORTH] * (told == "refused")


def test_others_are_published_the_same_night_and_the_summary_says_who_is_late(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = Nights(tmp_path)
    for clinic, day in ((NORTH, "2026-05-04"), (SOUTH, "2026-05-04"), (SOUTH, "2026-05-08")):
        extracted = f"{day}T23:00:00Z"
        one = nights.session(f"{clinic}-{day}", clinic=clinic, day=day, extracted_at=extracted)
        nights.sessions(f"{clinic}/{day}", one)
    nights.deliver(f"{NORTH}/doses_2026-05-08.csv", "dose\nd1\n")
    select = source(tmp_path, FOR_EVER.format("range(100000) a, range(100000) b, range(100000) c"))
    monkeypatch.setattr("flows.sources.sandbox.MOST_SECONDS", 0.5)
    (tmp_path / "keel.toml").write_text(
        'builtin_protocols = false\nprotocols = ["protocols"]\n'
        f'[[source]]\nsystem = "hr"\nclinic = "{NORTH}"\n'
        f'files = {{people = "people*.csv"}}\nselect = {{staff = "{select.select["staff"]}"}}\n'
    )
    monkeypatch.chdir(tmp_path)
    done = keel("nightly", "--plain", "--json", "--as-of", "2026-05-09T10:00:00Z")
    assert done.exit_code == Exit.BLOCKED, done.output
    told = json.loads(done.stdout)
    late = [(one["clinic_id"], one["feed"], one["days"]) for one in told["silent"]]
    assert late == [(NORTH, "doses", 4), (NORTH, "sessions", 4)]
    assert told["refused"] == [f"{NORTH}/hr"] and told["batches"]["blocked"] == 1
    judged = nights.read("SELECT DISTINCT subject_id FROM marts.subject_adherence ORDER BY 1")
    assert judged == [("north-2026-05-04",), ("south-2026-05-04",), ("south-2026-05-08",)]
    words = keel("nightly", "--plain", "--as-of", "2026-05-09T11:00:00Z").stdout
    assert "  silent      north: no sessions for 4 days\n" in words


class Meeting:
    """Readers wait for each other; one that is alone for too long breaks the meeting."""

    def __init__(self, count: int) -> None:
        self.threads: set[int] = set()
        self._together = threading.Barrier(count, timeout=20)

    def attend(self, given: Any) -> Any:
        self.threads.add(threading.get_ident())
        self._together.wait()
        return given


def test_clinics_are_read_side_by_side_and_one_thread_writes(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (network.landing / "_network" / "clinics_2026-01-01.csv").rename(tmp_path / "clinics.csv")
    network.deliver(f"{NORTH}/staff.csv", HEADER + "ann,nurse\n")
    readers, writers = Meeting(2), set()
    plain = Warehouse.transaction

    def writing(warehouse: Warehouse) -> Any:
        writers.add(threading.get_ident())
        return plain(warehouse)

    monkeypatch.setattr("flows.deliveries.sha256", lambda path: readers.attend(sha256(path)))
    monkeypatch.setattr(Warehouse, "transaction", writing)
    network.night(FEEDS)
    assert len(readers.threads) == 2
    assert writers == {threading.get_ident()}


def test_sources_are_read_side_by_side_too(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.foreign_deliveries import convert

    meeting = Meeting(2)
    north = source(tmp_path)
    network.settings = network.settings.model_copy(
        update={"source": (north, north.model_copy(update={"clinic": SOUTH}))}
    )

    def meet(*given: Any) -> Any:
        return meeting.attend(convert(*given))

    monkeypatch.setattr("flows.foreign_deliveries.convert", meet)
    network.night(FEEDS)
    assert network.facts("staff", "clinic_id", "staff_id") == [
        (NORTH, "ann"), (SOUTH, "ann"), (SOUTH, "sue"),
    ]  # fmt: skip
    assert len(meeting.threads) == 2


def test_only_the_clinics_that_are_named_are_read(network: Network, tmp_path: Path) -> None:
    from flows.landing import discover

    network.settings = network.settings.model_copy(update={"source": (source(tmp_path),)})
    with network.opened() as warehouse:
        found = discover(network.settings, warehouse, (), [SOUTH])
        assert found.sources == () and {one.clinic_id for one in found.deliveries} == {
            "_network", SOUTH,
        }  # fmt: skip
        found = discover(network.settings, warehouse, (), [NORTH])
        assert len(found.sources) == 1 and {one.clinic_id for one in found.deliveries} == {
            "_network"
        }
