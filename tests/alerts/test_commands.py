"""`keel nightly` and `keel alive` tell those who are named, and end as the runbook says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.alerts.servers import webhook
from tests.commands.cli import keel


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def published(hours_ago: float) -> None:
    """A folder of published runs whose newest began so long ago."""
    began = datetime.now(UTC) - timedelta(hours=hours_ago)
    run = Path("published") / f"000001-{began:%Y%m%dT%H%M%SZ}"
    run.mkdir(parents=True)
    (run.parent / "current").symlink_to(run.name)


def test_a_night_that_fails_is_told_with_its_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    with webhook() as (hook, posted):
        monkeypatch.setenv("KEEL_ALERTS_URLS", hook)
        done = keel("nightly", "--plain")
    assert done.exit_code == 2
    (post,) = posted
    assert post["title"] == "Keel: the night failed with exit code 2"
    assert post["message"].startswith("landing: there is no such landing folder")
    assert done.stderr.splitlines()[-1] == f"keel: {post['message'].splitlines()[0]}"
    assert not Path("warehouse/keel.duckdb").exists(), "a later command would look into it"


def test_a_wrong_address_is_told_before_the_night(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEL_ALERTS_URLS", "json://127.0.0.1 nonsense://secret-token")
    done = keel("nightly", "--plain")
    assert done.exit_code == 2
    assert "alerts.urls: number 2 is no address" in done.stderr
    assert "secret-token" not in done.output
    assert not Path("warehouse/keel.duckdb").exists()


def test_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    published(hours_ago=25.5)
    with webhook() as (hook, posted):
        monkeypatch.setenv("KEEL_ALERTS_URLS", hook)
        assert keel("alive").exit_code == 0
        assert posted == []
        done = keel("alive", "--within", "25h", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["alive"] is False
    (post,) = posted
    assert post["title"] == "Keel: no night was published"
    assert "25.5 h ago; look at the scheduler" in post["message"]


def test_no_night_ever_and_a_link_that_leads_nowhere() -> None:
    assert keel("alive").exit_code == 1
    Path("published").mkdir()
    Path("published/current").symlink_to("000001-20260101T000000Z")
    done = keel("alive")
    assert (done.exit_code, "no night was ever published" in done.stdout) == (1, True)


def test_a_night_of_tomorrow_is_no_sign_of_life() -> None:
    published(hours_ago=-48)
    assert keel("alive").exit_code == 1


@pytest.mark.parametrize("within", ["soon", "0h", "-2h", "1cd"])
def test_a_limit_that_is_none(within: str) -> None:
    done = keel("alive", f"--within={within}")
    assert done.exit_code == 2
    assert "--within" in done.stderr
