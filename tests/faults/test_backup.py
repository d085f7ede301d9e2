"""A backup restored elsewhere gives the same marts; a bad archive gives nothing at all."""

from __future__ import annotations

import io
import json
import shutil
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.backup import MANIFEST, backup, restore
from flows.errors import KeelError, UsageError, WarehouseBusy
from flows.warehouse import DATABASE, open_warehouse
from tests.commands.cli import keel
from tests.faults.conftest import Reference
from tests.load.network import NORTH, Network


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small warehouse's."""
    folder = tmp_path_factory.mktemp("small")
    network = Network(folder)
    network.deliver(f"{NORTH}/staff.csv", "staff_id,role\nann,nurse\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("flows.load.validate", lambda *_: [])
        network.night(["clinics", "staff"])
    (folder / "warehouse" / "pseudonym.key").write_bytes(b"k" * 32)
    backup(folder / "warehouse", folder / "keel.tar.gz")
    return folder / "keel.tar.gz"


@pytest.mark.parametrize("night", [pytest.param("done", marks=pytest.mark.long), "second"])
def test_a_night_on_what_was_restored_gives_the_same_marts(
    reference: Reference, tmp_path: Path, night: str
) -> None:
    work, other = tmp_path / "work", tmp_path / "other"
    reference.begun(work, night)
    kept = backup(work / "warehouse", tmp_path / "keel.tar.gz")
    assert kept.deliveries == len(list((work / "warehouse" / "raw").rglob("*.parquet")))
    shutil.rmtree(work / "warehouse")
    reference.delivered(other)
    restore(tmp_path / "keel.tar.gz", other / "warehouse")
    assert reference.is_mended(other)


def test_what_is_restored_is_what_was_kept_and_its_owner_s_alone(
    archive: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "warehouse"
    assert archive.stat().st_mode & 0o777 == 0o600
    restore(archive, folder)
    assert (folder / "pseudonym.key").read_bytes() == b"k" * 32
    for path in [folder, *folder.rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path
    with open_warehouse(folder) as opened:
        assert opened.db.execute("SELECT staff_id FROM facts.staff").fetchall() == [("ann",)]
        acts = opened.db.execute("SELECT act FROM ops.audit_log ORDER BY entry_no").fetchall()
    assert acts == [("backup",), ("restore",)]
    assert [path.name for path in tmp_path.iterdir()] == ["warehouse"]


def repacked(archive: Path, target: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other members, in the same order; a None content is a link."""
    with tarfile.open(archive) as tar:
        members = {one.name: tar.extractfile(one).read() for one in tar}  # type: ignore[union-attr]
    change(members)
    with tarfile.open(target, "w:gz") as tar:
        for name, content in members.items():
            header = tarfile.TarInfo(name)
            header.size = len(content)
            if content == b"LINK":
                header.type, header.linkname, header.size = tarfile.SYMTYPE, "/etc/passwd", 0
            if content == b"DEVICE":
                header.type, header.size = tarfile.CHRTYPE, 0
            tar.addfile(header, io.BytesIO(content))
    return target


def listing(members: dict[str, bytes], name: str, content: bytes) -> None:
    """Add a member, and list it in the manifest as a backup would."""
    import hashlib

    about = json.loads(members[MANIFEST])
    about["files"][name] = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    members[MANIFEST] = json.dumps(about).encode()
    members[name] = content


def bomb(members: dict[str, bytes]) -> None:
    listing(members, "raw/north/staff/b0123456789ab.parquet", b"\0" * 150_000_000)


RAW = "raw/north/staff/b0123456789ab.parquet"
BAD: dict[str, Callable[[dict[str, bytes]], object]] = {
    "a name that climbs": lambda m: listing(m, "../outside", b"x"),
    "a name that climbs within": lambda m: listing(m, "raw/../../outside", b"x"),
    "an absolute name": lambda m: listing(m, "/tmp/outside", b"x"),
    "a file that is none of ours": lambda m: listing(m, "keel.toml", b"x"),
    "a link": lambda m: listing(m, RAW, b"LINK"),
    "a device": lambda m: listing(m, RAW, b"DEVICE"),
    "a file that is not listed": lambda m: m.__setitem__(RAW, b"x"),
    "a file that is missing": lambda m: m.pop("pseudonym.key"),
    "a database that is missing": lambda m: m.pop(DATABASE),
    "other contents": lambda m: m.__setitem__("pseudonym.key", b"x" * 32),
    "no manifest": lambda m: m.pop(MANIFEST),
    "a manifest that is none": lambda m: m.__setitem__(MANIFEST, b"[1]"),
    "far more than it seems": bomb,
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_archive_restores_nothing(archive: Path, tmp_path: Path, what: str) -> None:
    bad = repacked(archive, tmp_path / "bad.tar.gz", BAD[what])  # type: ignore[arg-type]
    with pytest.raises(KeelError, match="nothing was restored") as refused:
        restore(bad, tmp_path / "in" / "warehouse")
    assert refused.value.exit_code == 1
    assert list((tmp_path / "in").iterdir()) == []
    assert not (tmp_path / "outside").exists()


def test_an_archive_cut_off_or_damaged_anywhere_restores_nothing(
    archive: Path, tmp_path: Path
) -> None:
    whole, bad = archive.read_bytes(), tmp_path / "bad.tar.gz"
    for part in range(20):
        at = len(whole) * part // 20
        for content in (whole[:at], whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :]):
            bad.write_bytes(content)
            try:
                restore(bad, tmp_path / "in" / "warehouse")
            except KeelError:
                assert list((tmp_path / "in").iterdir()) == []
            else:  # a bit that says nothing: the archive's time or its system
                assert part == 0 and content != whole[:at]
                shutil.rmtree(tmp_path / "in" / "warehouse")


def test_a_folder_that_is_not_empty_is_left_alone(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "warehouse").mkdir()
    (tmp_path / "warehouse" / "mine").touch()
    with pytest.raises(UsageError, match="not empty"):
        restore(archive, tmp_path / "warehouse")
    assert [path.name for path in (tmp_path / "warehouse").iterdir()] == ["mine"]


def test_a_backup_overwrites_nothing_and_waits_for_nobody(archive: Path, tmp_path: Path) -> None:
    restore(archive, tmp_path / "warehouse")
    with pytest.raises(UsageError, match="there already"):
        backup(tmp_path / "warehouse", archive)
    with pytest.raises(UsageError, match="itself"):
        backup(tmp_path / "warehouse", tmp_path / "warehouse" / "keel.tar.gz")
    with open_warehouse(tmp_path / "warehouse"), pytest.raises(WarehouseBusy):
        backup(tmp_path / "warehouse", tmp_path / "keel.tar.gz")
    assert not (tmp_path / "keel.tar.gz").exists()


def test_the_commands_tell_what_they_did(archive: Path, tmp_path: Path) -> None:
    done = keel("restore", archive, "--warehouse", tmp_path / "warehouse", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout)["deliveries"] == 2
    kept = tmp_path / "again.tar.gz"
    done = keel("backup", kept, "--warehouse", tmp_path / "warehouse")
    assert done.exit_code == 0 and "2 deliveries" in done.stdout
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert keel("restore", kept, "--warehouse", tmp_path / "warehouse").exit_code == 2
    assert keel("backup", kept, "--warehouse", tmp_path / "nowhere").exit_code == 2
    assert keel("restore", tmp_path / "no.tar.gz", "--warehouse", tmp_path / "n").exit_code == 2
