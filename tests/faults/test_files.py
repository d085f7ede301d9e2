"""Files that are no plain, whole, readable export of the landing folder: none holds others back."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.deliveries import land
from flows.errors import UsageError
from flows.landing import Delivery, Found, discover
from flows.runs import start_run
from flows.settings import Settings, SourceSettings, load_settings
from tests.load.network import NORTH, SOUTH, Network

HEADER = "staff_id,role,license_expires_on\n"
FEEDS = ("clinics", "staff")


@pytest.fixture(autouse=True)
def _no_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.load.validate", lambda *_: [])


@pytest.fixture
def network(tmp_path: Path) -> Network:
    network = Network(tmp_path)
    network.deliver(f"{SOUTH}/staff.csv", HEADER + "sue,nurse,\n")
    return network


def staff(network: Network) -> list[str]:
    return [name for (name,) in network.facts("staff", "staff_id")]


def test_a_file_that_grows_while_it_is_read_waits_for_the_next_night(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = network.deliver(f"{NORTH}/staff.csv", HEADER + "ann,nur")

    def grows(name: str) -> str:
        digest = hashed(name)
        if Path(name).resolve() == path and path.stat().st_size < 60:
            with path.open("a") as file:
                file.write("se,2027-01-01\nben,nurse,\n")
        return digest

    from flows.intake import sha256 as hashed

    with monkeypatch.context() as patch:
        patch.setattr("flows.deliveries.sha256", grows)
        with network.opened() as warehouse:
            run = start_run(warehouse, network.settings.now())
            found = discover(network.settings, warehouse, (), ())
            left = land(warehouse, found, run, network.settings)
        assert list(left) == [f"{NORTH}/staff.csv"]
        assert "still being written" in left[f"{NORTH}/staff.csv"]
    assert not list((network.settings.warehouse / "raw" / NORTH).rglob("*.parquet"))
    network.night(FEEDS)
    assert staff(network) == ["ann", "ben", "sue"]


def test_a_file_without_permission_holds_nothing_back(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = network.deliver(f"{NORTH}/staff.csv", HEADER + "ann,nurse,\n")
    path.chmod(0)
    if os.geteuid() == 0:  # whom no mode keeps out
        monkeypatch.setattr("flows.sources.os.open", _refusing(path))
    network.night(FEEDS)
    (note,) = network.found.notes
    assert f"{NORTH}/staff.csv" in note and "Permission denied" in note
    assert network.found.refused == (f"{NORTH}/staff.csv",)
    assert staff(network) == ["sue"]
    monkeypatch.undo()
    path.chmod(stat.S_IRUSR)
    monkeypatch.setattr("flows.load.validate", lambda *_: [])
    network.night(FEEDS)
    assert staff(network) == ["ann", "sue"]


def _refusing(path: Path) -> object:
    plain = os.open

    def refuse(name: object, *more: object, **named: object) -> int:
        if str(name) == str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return plain(name, *more, **named)  # type: ignore[arg-type]

    return refuse


def test_a_clinic_s_folder_without_permission_holds_nothing_back(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.deliver(f"{NORTH}/staff.csv", HEADER + "ann,nurse,\n")
    plain = os.scandir

    def refuse(path: Path) -> Iterator[os.DirEntry[str]]:
        if Path(path).name == NORTH:
            raise PermissionError(13, "Permission denied", str(path))
        return plain(path)

    monkeypatch.setattr("flows.landing.os.scandir", refuse)
    network.night(FEEDS)
    assert staff(network) == ["sue"]
    assert network.found.refused == (NORTH,)


def test_what_is_no_plain_file_is_refused_with_a_reason(network: Network, tmp_path: Path) -> None:
    folder = network.landing / NORTH
    folder.mkdir()
    (tmp_path / "outside.csv").write_text(HEADER + "ann,nurse,\n")
    (folder / "staff_link.csv").symlink_to(tmp_path / "outside.csv")
    (folder / "staff_gone.csv").symlink_to(tmp_path / "nowhere.csv")
    os.mkfifo(folder / "staff_pipe.csv")
    odd = ["staff_gone.csv", "staff_link.csv", "staff_pipe.csv"]
    if os.geteuid() == 0:
        os.mknod(folder / "staff_device.csv", 0o600 | stat.S_IFCHR, os.makedev(1, 5))
        odd.insert(0, "staff_device.csv")
    network.night(FEEDS)
    assert network.found.refused == tuple(f"{NORTH}/{name}" for name in odd)
    assert all(any(name in note for note in network.found.notes) for name in odd)
    assert staff(network) == ["sue"]


@pytest.mark.parametrize("what", ["pipe", "link", "gone"])
def test_a_file_that_became_another_thing_meanwhile_is_not_followed(
    network: Network, tmp_path: Path, what: str
) -> None:
    path = network.deliver(f"{NORTH}/staff.csv", HEADER + "ann,nurse,\n")
    found = Found((Delivery(NORTH, "staff", path, f"{NORTH}/staff.csv", 1, 1),))
    path.unlink()
    if what == "pipe":
        os.mkfifo(path)
    elif what == "link":
        (tmp_path / "outside.csv").write_text(HEADER + "ann,nurse,\n")
        path.symlink_to(tmp_path / "outside.csv")
    with network.opened() as warehouse:
        run = start_run(warehouse, network.settings.now())
        left = land(warehouse, found, run, network.settings)
    assert list(left) == [f"{NORTH}/staff.csv"]
    assert "cannot be read" in left[f"{NORTH}/staff.csv"]
    assert not list(network.settings.warehouse.rglob("*.parquet"))


def test_a_source_that_cannot_be_read_holds_nothing_back(network: Network, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("who,more\nann\n")
    (tmp_path / "staff.sql").write_text("SELECT who AS staff_id, _file, _row FROM people")
    people = SourceSettings(
        system="hr", clinic=NORTH, files={"people": f"{tmp_path}/people.csv"},
        select={"staff": tmp_path / "staff.sql"},
    )  # fmt: skip
    network.settings = network.settings.model_copy(update={"source": (people,)})
    network.night(FEEDS)
    (note,) = network.found.notes
    assert network.found.refused == (f"{NORTH}/hr",) and "line 2" in note
    assert staff(network) == ["sue"]


def test_an_encoding_is_refused_with_its_line_until_it_is_declared(network: Network) -> None:
    latin = (HEADER + "ann,nurse,\nzoé,nurse,\n").encode("cp1252")
    network.deliver(f"{NORTH}/staff.csv", latin)
    assert network.night(FEEDS)["staff"].batches == {"accepted": 1, "blocked": 1}
    reason = network.state(f"{NORTH}/staff.csv")[1] or ""
    assert "line 3" in reason and "[encodings]" in reason
    assert network.night(FEEDS)["staff"].batches == {}
    network.settings = network.settings.model_copy(update={"encodings": {f"{NORTH}/*": "ascii"}})
    assert network.night(FEEDS)["staff"].batches == {"blocked": 1}
    assert "line 3 is not ascii" in (network.state(f"{NORTH}/staff.csv")[1] or "")
    network.settings = network.settings.model_copy(update={"encodings": {f"{NORTH}/*": "cp1252"}})
    assert network.night(FEEDS)["staff"].batches == {"accepted": 1}
    assert staff(network) == ["ann", "sue", "zoé"]
    assert not any((network.settings.warehouse / "tmp").iterdir())


@pytest.mark.parametrize("name", ["klingon", "base64"])
def test_an_unknown_encoding_is_a_wrong_setting(tmp_path: Path, name: str) -> None:
    config = tmp_path / "keel.toml"
    config.write_text(f'[encodings]\n"north/*" = "{name}"\n')
    with pytest.raises(UsageError, match="encodings"):
        load_settings(config, {})


def test_the_first_glob_that_fits_says_the_encoding() -> None:
    settings = Settings(encodings={"north/staff*": "UTF-16", "north/*": "windows-1252"})
    names = {file: settings.encoding_of(NORTH, file) for file in ("staff_1.csv", "doses.csv")}
    assert names == {"staff_1.csv": "utf-16", "doses.csv": "cp1252"}
    assert settings.encoding_of(SOUTH, "staff.csv") == "utf-8"


def test_a_raw_file_cut_off_holds_nothing_back_and_is_read_again(network: Network) -> None:
    rows = "".join(f"a{number},nurse,\n" for number in range(5_000))
    network.deliver(f"{NORTH}/staff.csv", HEADER + rows)
    with network.opened() as warehouse:
        run = start_run(warehouse, network.settings.now())
        land(warehouse, discover(network.settings, warehouse, (), ()), run, network.settings)
    (raw,) = (network.settings.warehouse / "raw" / NORTH / "staff").glob("*.parquet")
    raw.write_bytes(raw.read_bytes()[:-1_000])
    assert network.night(FEEDS)["staff"].batches == {"accepted": 1, "blocked": 1}
    assert staff(network) == ["sue"]
    assert "raw copy is damaged" in (network.state(f"{NORTH}/staff.csv")[1] or "")
    assert network.night(FEEDS)["staff"].batches == {"accepted": 1}
    assert len(staff(network)) == 5_001
