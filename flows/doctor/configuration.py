"""keel.toml, KEEL_* and options, whom they name to be told, and the exports they name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flows.alerts import channels
from flows.doctor.findings import Finding, Installation
from flows.sources.foreign import checked_selects
from flows.sources.foreign_files import found_files


def settings(installation: Installation) -> Iterator[Finding]:
    """keel.toml, KEEL_* and options, read."""
    held = installation.settings
    where = installation.config or Path("keel.toml")
    said = f"read from {where}" if where.exists() else "defaults, no keel.toml here"
    yield Finding("ok", said)
    if held.as_of is not None:
        yield Finding(
            "warning", f"as_of is set to {held.as_of:%Y-%m-%d}: every night judges as of then",
            "take it out of the settings, unless that is meant",
        )  # fmt: skip
    known = {program for one in installation.protocols for program in one.programs or ()}
    for own, mapped in held.programs.items():
        if mapped not in known:
            yield Finding(
                "warning", f"[programs] maps {own} to {mapped}, which no protocol has",
                f"use one of {', '.join(sorted(known))}",
            )  # fmt: skip


def sources(installation: Installation) -> Iterator[Finding]:
    """Foreign exports: their settings are whole and their files are there. No SQL is run."""
    held = installation.settings.source
    for source in held:
        checked_selects(source, Path())
        for name, found in found_files(source, Path()).items():
            if not found:
                yield Finding(
                    "warning",
                    f"{source.clinic}: {source.files[name]} finds no file for {name} of "
                    f"{source.system}",
                    "ask where the export is, or mend [source.files]",
                )
    yield Finding("ok", f"{len(held)} foreign exports")


def alerts(installation: Installation) -> Iterator[Finding]:
    """Addresses that Apprise can read; nothing is sent."""
    count = len(channels(installation.settings.alerts))
    if count:
        yield Finding("ok", f"{count} addresses are told of a night that needs a person")
    else:
        yield Finding("warning", "nobody is told of a night that fails",
                      "set `urls` under [alerts], or KEEL_ALERTS_URLS")  # fmt: skip
