"""Python, the packages and the time zone data that Keel runs with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from zoneinfo import ZoneInfo, available_timezones

from packaging.requirements import Requirement
from packaging.version import Version

from flows.doctor.findings import Finding, Installation

PACKAGE = "keel"


def python(_: Installation) -> Iterator[Finding]:
    """The running Python against the least that Keel asks for."""
    running = ".".join(str(part) for part in sys.version_info[:3])
    wanted = str(metadata.metadata(PACKAGE)["Requires-Python"])
    if Requirement(f"python{wanted}").specifier.contains(running):
        yield Finding("ok", f"Python {running}")
    else:
        yield Finding("broken", f"Python {running}, Keel needs {wanted}", "install Keel with it")


def packages(_: Installation) -> Iterator[Finding]:
    """Every package that Keel names, against the versions that it was tested with."""
    wanted = [Requirement(text) for text in metadata.requires(PACKAGE) or ()]
    needed = [one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""})]
    for one in needed:
        mend = (
            "install with `pip install --require-hashes -r requirements.lock -c requirements.lock`"
        )
        try:
            found = metadata.version(one.name)
        except metadata.PackageNotFoundError:
            yield Finding("broken", f"the package {one.name} is not installed", mend)
            continue
        if not one.specifier.contains(Version(found), prereleases=True):
            yield Finding("broken", f"{one.name} {found}, Keel needs {one.specifier}", mend)
    yield Finding("ok", f"{len(needed)} packages looked at, Keel {metadata.version(PACKAGE)}")


def zone_data(installation: Installation) -> Iterator[Finding]:
    """Time zones can be looked up at all."""
    try:
        ZoneInfo("America/New_York").utcoffset(installation.now)
    except KeyError:
        yield Finding("broken", "no time zone data is installed", "install the package tzdata")
    else:
        yield Finding("ok", f"{len(available_timezones())} time zones known")
