"""Who is told when a night needs a person: mail, Slack, Teams or a webhook, through Apprise.

An alert names clinics, feeds, counts and exit codes; never a value of a patient. The addresses are
secrets: what goes wrong with one is told by its number.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flows.errors import UsageError
from flows.faults import counted
from flows.settings import AlertSettings

if TYPE_CHECKING:
    from flows.summary import Summary

_SHOWN = 20
_TALKATIVE = ("apprise", "urllib3")


@dataclass(frozen=True)
class Alert:
    """One message: a line that says it all, and what to look at."""

    title: str
    body: str


def of_night(summary: Summary, told: AlertSettings) -> list[Alert]:
    """What a night that was published gives reason to tell."""
    watched, found = summary.watched, []
    if watched.blocked or summary.refused:
        files = Counter(f"{one.clinic_id}: {one.feed}" for one in watched.blocked)
        files.update(f"{name.split('/')[0]}: not read" for name in summary.refused)
        lines = [f"{where} ({count})" for where, count in sorted(files.items())]
        count = len(watched.blocked) + len(summary.refused)
        found.append(Alert(f"Keel: {counted(count, 'blocked file')}", _listed(summary, lines)))
    if watched.silent:
        lines = [one.sentence() for one in watched.silent]
        found.append(Alert(f"Keel: {counted(len(lines), 'silent feed')}", _listed(summary, lines)))
    if watched.critical > told.critical_limit:
        title = f"Keel: new critical breaches: {watched.critical:,}"
        found.append(Alert(title, _listed(summary, [f"more than {told.critical_limit:,}"])))
    return found


def of_failure(sentence: str, code: int) -> Alert:
    """A night that was not published; the sentence is the one that stands on stderr."""
    return Alert(
        f"Keel: the night failed with exit code {code}",
        f"{sentence}\nThe last whole run stays published. See docs/runbook.md, exit code {code}.",
    )


def of_silence(sentence: str) -> Alert:
    """No night was published for too long."""
    return Alert("Keel: no night was published", f"{sentence}\nSee docs/runbook.md.")


def _listed(summary: Summary, lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([*lines[:_SHOWN], *more, f"run {summary.run_id}, report {summary.report}"])


def send(alerts: Sequence[Alert], told: AlertSettings, say: Callable[[str], None]) -> bool:
    """Send each to every address; gives whether all arrived, and says which did not.

    Raises UsageError when an address is none that Apprise knows.
    """
    if not alerts:
        return True
    failed = []
    for number, channel in enumerate(channels(told), 1):
        taken = [channel(alert) for alert in alerts]
        if not all(taken):
            failed.append(number)
    for number in failed:
        say(f"alert not delivered: number {number} of alerts.urls does not take it.")
    return not failed


def channels(told: AlertSettings) -> list[Callable[[Alert], bool]]:
    """One function an address, which gives whether an alert was taken. The logs of what sends it,
    which hold addresses, are silenced. Raises UsageError as `send` does.
    """
    if not told.urls:
        return []
    from apprise import Apprise

    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)

    def channel(number: int, url: str) -> Callable[[Alert], bool]:
        one = Apprise()
        if not one.add(url):
            raise UsageError(
                f"the setting alerts.urls: number {number} is no address that Apprise knows; see "
                "docs/how-to/be-told.md."
            )
        return lambda alert: bool(one.notify(title=alert.title, body=alert.body))

    return [channel(at, url.get_secret_value()) for at, url in enumerate(told.urls, 1)]
