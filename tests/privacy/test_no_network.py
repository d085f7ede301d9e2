"""Keel calls nobody: a demo in a network namespace without interfaces, and a lock with hashes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.publish.nights import Nights, plain_nights

ROOT = Path(__file__).parents[2]
ALONE = ["unshare", "--map-root-user", "--net"]


def _may_unshare() -> bool:
    try:
        return subprocess.run([*ALONE, "true"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


alone = pytest.mark.skipif(
    not _may_unshare(), reason="this machine does not let a user make a network namespace"
)


def demo(folder: Path, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "flows", "demo", "--dir", str(folder), "--clinics", "1",
        "--patients", "4", "--days", "20", *more,
    ]  # fmt: skip


@alone
@pytest.mark.long
def test_a_demo_runs_where_there_is_no_network(tmp_path: Path) -> None:
    """Not even a loopback: whatever asks for an address fails."""
    done = subprocess.run(
        [*ALONE, *demo(tmp_path, "--plain")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "published" / "current" / "report" / "index.html").exists()


def test_a_night_asks_for_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In short, and where no namespace is allowed: a night without expectations and pages."""
    asked: list[object] = []

    def refused(*given: object, **_: object) -> None:
        asked.append(given)
        raise OSError

    monkeypatch.setattr("socket.socket.connect", refused)
    monkeypatch.setattr("socket.getaddrinfo", refused)
    nights = Nights(tmp_path)
    nights.sessions("north/2026-05-01", nights.session("s1"))
    with plain_nights():
        nights.publish()
    assert asked == []


@alone
@pytest.mark.prefect
def test_a_flow_needs_no_more_than_the_loopback(tmp_path: Path) -> None:
    script = 'ip link set lo up && exec "$@"'
    env = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    done = subprocess.run(
        [*ALONE, "sh", "-c", script, "sh", *demo(tmp_path / "demo")],
        capture_output=True, text=True, check=False,
        env=env | {"PREFECT_HOME": str(tmp_path / "prefect")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "demo" / "published" / "current" / "report" / "index.html").exists()


@alone
def test_such_a_namespace_has_no_network() -> None:
    """The control: an address in it cannot be reached."""
    code = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
    done = subprocess.run(
        [*ALONE, sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert "Network is unreachable" in done.stderr


def test_analytics_of_libraries_are_off() -> None:
    code = "import flows, os, json; print(json.dumps(dict(os.environ)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=ROOT)
    found = json.loads(done.stdout)
    assert found["DO_NOT_TRACK"] == "1"
    assert found["PREFECT_SERVER_ANALYTICS_ENABLED"] == found["GX_ANALYTICS_ENABLED"] == "false"


def test_the_lock_has_hashes_and_no_address() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = [part for part in text.replace("\\\n", " ").splitlines() if "==" in part]
    assert len(pinned) > 100
    assert [part for part in pinned if "--hash=sha256:" not in part] == []
    assert "://" not in text
    named = {re.split(r"[=\s\[]", part)[0].lower() for part in pinned}  # - for . and _
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = {
        re.sub(r"[._]", "-", re.split(r"[^\w.-]", part)[0].lower())
        for part in project["dependencies"]
    }
    assert needed <= named


@pytest.mark.long
def test_the_bill_of_materials_lists_the_lock(tmp_path: Path) -> None:
    target = tmp_path / "sbom.json"
    subprocess.run(
        ["sh", str(ROOT / ".ci" / "sbom"), str(target)],
        check=True, capture_output=True, env=os.environ | {"PYTHON": sys.executable},
    )  # fmt: skip
    text = target.read_text(encoding="utf-8")
    bom = json.loads(text)
    assert (bom["bomFormat"], bom["metadata"]["component"]["name"]) == ("CycloneDX", "keel")
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert {f"{part['name']}=={part['version']}" for part in bom["components"]} == set(
        re.findall(r"^([\w.-]+==[^\s;\\]+)", re.sub(r"\[\w+\]", "", lock), re.MULTILINE)
    )
    assert all(part["hashes"] for part in bom["components"])
    assert re.findall(r"https?://[^/\"]+", text) == ["http://cyclonedx.org"]  # the form's own name
