"""`keel audit verify` finds whatever was changed in packs, published runs and the audit log."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flows.audit_verify import verify_bundle
from flows.errors import UsageError
from flows.warehouse import DATABASE
from tests.audit.network import MAY, audit
from tests.commands.cli import keel
from tests.publish.nights import Nights


@pytest.fixture(scope="module")
def packed(month: Nights, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("packed") / "survey"
    assert audit(month, "pack", "--kind", "survey", *MAY, "--out", folder).exit_code == 0
    return folder


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_flipped_bit_of_any_file_is_found(packed: Path, data: st.DataObject) -> None:
    files = sorted(path for path in packed.rglob("*") if path.is_file())
    path = data.draw(st.sampled_from([path for path in files if path.name != "manifest.json"]))
    whole = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    broken = bytearray(whole)
    broken[bit // 8] ^= 1 << (bit % 8)
    try:
        path.write_bytes(broken)
        found = verify_bundle(packed)
    finally:
        path.write_bytes(whole)
    name = path.relative_to(packed).as_posix()
    assert found.problems == (f"{name}: is not as it was written",)
    assert verify_bundle(packed).intact


def test_a_manifest_that_was_made_to_fit_is_found_by_the_log(
    month: Nights, packed: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(packed, copy)
    about = json.loads((copy / "manifest.json").read_text())
    (copy / "rules.csv").unlink()
    del about["files"]["rules.csv"]
    (copy / "manifest.json").write_text(json.dumps(about))
    assert verify_bundle(copy).intact  # nothing in the folder itself tells
    done = audit(month, "verify", copy)
    assert done.exit_code == 1
    assert "is not in the audit log" in done.stdout


def test_missing_and_added_files_are_named(packed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(packed, copy)
    (copy / "waivers.csv").rename(copy / "waiver.csv")
    done = keel("audit", "verify", copy)
    assert done.exit_code == 1
    assert "waivers.csv: is missing" in done.stdout
    assert "waiver.csv: is not in the manifest" in done.stdout


def test_a_link_is_not_of_the_bundle(packed: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(packed, copy)
    (copy / "elsewhere").symlink_to(tmp_path)
    (copy / "nowhere").symlink_to(tmp_path / "nothing")
    assert verify_bundle(copy).problems == (
        "elsewhere: is not in the manifest", "nowhere: is not in the manifest",
    )  # fmt: skip


def test_what_is_whole_is_intact_offline_and_with_its_log(month: Nights, packed: Path) -> None:
    assert keel("audit", "verify", packed).exit_code == 0
    done = audit(month, "verify", packed, "--publish", month.settings.publish, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["intact"] is True
    assert len(told["checked"]) == 3


def test_a_published_run_that_was_changed_is_found(month: Nights, tmp_path: Path) -> None:
    publish = tmp_path / "published"
    shutil.copytree(month.settings.publish, publish, symlinks=True)
    (parquet, *_) = sorted(publish.glob("*/verdicts/**/*.parquet"))
    parquet.write_bytes(parquet.read_bytes() + b"\0")
    done = keel("audit", "verify", "--publish", publish)
    assert done.exit_code == 1
    assert f"{parquet.name}: is not as it was written" in done.stdout


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        ("UPDATE ops.audit_log SET actor = 'nobody' WHERE entry_no = 1", "entry 1"),
        ("DELETE FROM ops.audit_log WHERE entry_no = 2", "entry 2"),
    ],
)
def test_a_log_that_was_changed_is_found(
    month: Nights, packed: Path, tmp_path: Path, tamper: str, said: str
) -> None:
    for at in range(2):
        out = tmp_path / f"rems{at}"
        assert audit(month, "pack", "--kind", "rems", *MAY, "--out", out).exit_code == 0
    shutil.copytree(month.settings.warehouse, tmp_path / "warehouse")
    with duckdb.connect(str(tmp_path / "warehouse" / DATABASE)) as db:
        db.execute(tamper)
    done = keel("audit", "verify", "--warehouse", tmp_path / "warehouse")
    assert done.exit_code == 1
    assert f"{said} is not as it was written" in done.stdout


def test_a_folder_without_a_manifest_is_told(tmp_path: Path) -> None:
    done = keel("audit", "verify", tmp_path)
    assert done.exit_code == 2
    assert "holds no manifest.json" in done.stderr
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(UsageError, match="is no manifest any more"):
        verify_bundle(tmp_path)
