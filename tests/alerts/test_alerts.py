"""Alerts: what is told, to whom, and never a patient or a secret."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from flows.alerts import Alert, of_night, send
from flows.errors import UsageError
from flows.settings import AlertSettings, load_settings
from flows.summary import Summary
from flows.watch import BlockedFile, SilentFeed, Watched
from tests.alerts.servers import mail_server, webhook

QUIET = Summary(
    run_id="000007-20260504T100000Z", as_of="2026-05-04T10:00:00+00:00",
    report=Path("published/current/report/index.html"), batches={}, rows={}, judged=0, skipped=0,
    findings={}, breaches_by_severity={}, seconds={}, notes=(), refused=(), watched=Watched(),
)  # fmt: skip


def watched(**found: object) -> Summary:
    return replace(QUIET, watched=Watched(**found))  # type: ignore[arg-type]


def titles(summary: Summary, **told: object) -> list[str]:
    return [one.title for one in of_night(summary, AlertSettings.model_validate(told))]


def test_a_night_like_any_other_tells_nobody() -> None:
    assert titles(QUIET) == []


def test_blocked_files_are_counted_by_clinic_and_feed() -> None:
    file = BlockedFile("harbor", "vitals", "harbor/vitals_x.csv", "its header has no column unit")
    summary = watched(blocked=(file, file, replace(file, clinic_id="north")))
    (alert,) = of_night(summary, AlertSettings())
    assert alert.title == "Keel: 3 blocked files"
    assert alert.body.splitlines()[:2] == ["harbor: vitals (2)", "north: vitals (1)"]
    assert QUIET.run_id in alert.body and str(QUIET.report) in alert.body


def test_what_was_not_read_is_told_by_clinic_and_never_by_its_name() -> None:
    summary = replace(QUIET, refused=("harbor/vitals of Quill.csv", "harbor/ward_sheets", "north"))
    (alert,) = of_night(summary, AlertSettings())
    assert alert.title == "Keel: 3 blocked files"
    assert alert.body.splitlines()[:2] == ["harbor: not read (2)", "north: not read (1)"]
    assert "Quill" not in alert.body


def test_silent_feeds_are_told() -> None:
    (alert,) = of_night(watched(silent=(SilentFeed("harbor", "doses", 4),)), AlertSettings())
    assert alert.body.startswith("harbor: no doses for 4 days\n")


@pytest.mark.parametrize(("limit", "told"), [(0, True), (4, True), (5, False), (6, False)])
def test_critical_breaches_are_told_above_the_limit(limit: int, told: bool) -> None:
    assert bool(titles(watched(critical=5), critical_limit=limit)) is told


def test_a_long_list_is_cut() -> None:
    files = tuple(BlockedFile(f"c{at:03}", "doses", "", "") for at in range(500))
    (alert,) = of_night(watched(blocked=files), AlertSettings())
    assert "and 480 more" in alert.body.splitlines()
    assert len(alert.body) < 1000


def test_mail_and_webhook_get_the_same() -> None:
    said: list[str] = []
    with mail_server() as (mail, messages), webhook() as (hook, posted):
        told = AlertSettings.model_validate({"urls": [mail, hook]})
        assert send([Alert("Keel: a title", "a body")], told, said.append)
    (message,), (post,) = messages, posted
    assert (message["Subject"], message["To"]) == ("Keel: a title", "ops@example.org")
    assert "a body" in message.as_string()
    assert (post["title"], post["message"]) == ("Keel: a title", "a body")
    assert said == []


def test_one_that_fails_is_told_by_number_and_the_others_are_sent(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    caplog.set_level(logging.DEBUG)
    with webhook(answer=500) as (broken, _), webhook() as (hook, posted):
        told = AlertSettings.model_validate({"urls": [broken, hook]})
        assert not send([Alert("title", "body")], told, said.append)
    assert len(posted) == 1
    assert said == ["alert not delivered: number 1 of alerts.urls does not take it."]
    out, err = capfd.readouterr()
    shown = [record.getMessage() for record in caplog.records]
    assert "secret-token" not in "".join([*shown, *said, out, err])


def test_an_address_that_is_none_is_told_without_it() -> None:
    told = AlertSettings.model_validate({"urls": ["nonsense://secret-token"]})
    with pytest.raises(UsageError, match=r"number 1 is no address") as caught:
        send([Alert("title", "body")], told, print)
    assert "secret-token" not in str(caught.value)


def test_addresses_stand_in_no_repr_and_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "keel.toml").write_text('[alerts]\nurls = ["json://old"]\nstale_days = 5\n')
    monkeypatch.setenv("KEEL_ALERTS_URLS", "json://secret-token mailto://secret-token")
    told = load_settings(tmp_path / "keel.toml", {}).alerts
    assert [url.get_secret_value() for url in told.urls] == [
        "json://secret-token", "mailto://secret-token",
    ]  # fmt: skip
    assert told.stale_days == 5
    assert "secret-token" not in repr(told) + str(told.model_dump())
