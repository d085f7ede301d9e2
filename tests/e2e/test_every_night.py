"""The runbook, followed: a server, a pool, deployments, a worker; the schedule fires, the report is
published, an alert comes; then a night is killed half-way, somebody is told, and the next one mends
it. Backfill, report and check are run by the same worker.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from flows.commands.common import Exit
from tests.alerts.servers import webhook
from tests.e2e.networks import marts, nightly, patient_ids, small_network
from tests.e2e.place import EVERY_MINUTE, NIGHT_WITHIN, Place, kill_below
from tests.e2e.servers import environment, prefect_server, process, wait_for

pytestmark = pytest.mark.prefect


class Undisturbed:
    """The same deliveries, brought by one night while Prefect is starting."""

    def __init__(self, folder: Path, night: subprocess.Popen[bytes]) -> None:
        self.folder, self._night = folder, night

    def give_key(self, warehouse: Path) -> None:
        """Its pseudonyms' key to another warehouse, once the night is over."""
        assert self._night.wait() == Exit.BLOCKED
        warehouse.mkdir(mode=0o700)
        shutil.copy2(self.folder / "warehouse" / "pseudonym.key", warehouse)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[Place, Undisturbed, list[dict[str, str]]]]:
    """Prefect and a webhook, a network with a file that is blocked, and its undisturbed night."""
    folder, other = tmp_path / "place", tmp_path / "undisturbed"
    as_of = small_network(folder)
    (folder / "landing" / "c01" / "sessions_wrong.csv").write_text("session\ns1\n")
    shutil.copytree(folder / "landing", other / "landing", copy_function=shutil.copy2)
    with ExitStack() as stack:
        words = map(str, nightly(other, as_of))
        night = stack.enter_context(
            process("flows", *words, env=environment(tmp_path / "none"), cwd=None)
        )
        hook, posted = stack.enter_context(webhook())
        server = stack.enter_context(prefect_server(tmp_path / "server"))
        yield Place(folder, as_of, server, hook), Undisturbed(other, night), posted


def test_the_runbook_followed(
    scene: tuple[Place, Undisturbed, list[dict[str, str]]],
) -> None:
    there, undisturbed, posted = scene
    late = _held_back(there.folder)
    there.prefect("work-pool", "create", "keel", "--type", "process")
    there.deploy(EVERY_MINUTE)
    undisturbed.give_key(there.folder / "warehouse")
    with there.worker() as worker:
        (first,) = wait_for(there.runs, NIGHT_WITHIN)
        there.pause("nightly")
        assert first["auto_scheduled"] and there.ended(first["id"]) == "SomeBlocked"
        assert (there.folder / "published/current/report/index.html").exists()
        assert [post["title"] for post in posted] == ["Keel: 1 blocked file"]
        tables = {one["key"]: str(one["data"]) for one in there.server.ask("artifacts/filter")}
        assert "c01/sessions_wrong.csv" in tables["keel-blocked-files"]
        report = (there.folder / "published/current").resolve() / "report/index.html"
        assert f"`{report}`" in tables["keel-nightly"]

        before = (there.folder / "published/current").readlink()
        for aside, path in late:
            aside.rename(path)
        killed = there.begin("nightly")
        wait_for(lambda: there.judges(killed), NIGHT_WITHIN)
        kill_below(worker)
        assert there.ended(killed) == "Crashed"
        assert (there.folder / "published/current").readlink() == before
        wait_for(lambda: len(posted) == 2, NIGHT_WITHIN)
        assert "the run was killed" in posted[-1]["message"]

        there.prefect("deployment", "run", "keel-nightly/nightly")
        wait_for(lambda: there.runs()[0]["id"] != killed, NIGHT_WITHIN)
        assert there.ended(there.runs()[0]["id"]) == "Completed"
        assert marts(there.folder) == marts(undisturbed.folder)

        file = str(there.folder / "landing" / "c01" / "sessions_wrong.csv")
        days = ("--param", "first=2026-03-01", "--param", "last=2026-03-31")
        there.prefect("deployment", "run", "keel-backfill/backfill", *days)
        (backfill,) = wait_for(lambda: there.runs("keel-backfill"), NIGHT_WITHIN)
        others = {
            "backfill": backfill["id"],
            "report": there.begin("report", clinic="c02"),
            "check": there.begin("check", paths=[file]),
        }
        ended = {name: there.ended(run) for name, run in others.items()}
    assert ended == {"backfill": "Completed", "report": "Completed", "check": "SomeBlocked"}
    assert (there.folder / "published/current").readlink() > before
    told = [post["message"] for post in posted]
    patients = patient_ids(there.folder)
    assert patients and there.server.knows(patients) == []
    assert not [name for name in patients for message in told if name in message]


def _held_back(folder: Path) -> list[tuple[Path, Path]]:
    """A clinic's last deliveries, kept from the first night; where they are and belong."""
    landing = folder / "landing" / "c01"
    moved = [(folder / path.name, path) for path in sorted(landing.glob("*_2026-10-31.csv"))]
    for aside, path in moved:
        path.rename(aside)
    return moved
