"""Data contracts, protocols, their worked examples and the law they rest on."""

from __future__ import annotations

from collections.abc import Iterator

from checks.contract import contracts
from flows.doctor.findings import Finding, Installation
from protocols.catalogue import is_in_force
from protocols.examples import run_examples
from protocols.legal import coming, legal_facts

LEGAL_DAYS = 30


def data_contracts(_: Installation) -> Iterator[Finding]:
    """Every data contract, read."""
    yield Finding("ok", f"{len(contracts())} feeds")


def protocols(installation: Installation) -> Iterator[Finding]:
    """Every protocol, read; some version of each in force today."""
    held = installation.protocols
    yield Finding("ok", f"{len(held)} protocols, {sum(len(one.rules) for one in held)} rules")
    today = installation.now.date()
    newest = {one.protocol: one for one in held}
    in_force = {one.protocol for one in held if is_in_force(one, today)}
    for name, one in newest.items():
        if name not in in_force:
            yield Finding(
                "warning", f"no version of {name} is in force today ({one.key} is the newest)",
                "write a version that begins the day after, or drop the file",
            )  # fmt: skip


def worked_examples(installation: Installation) -> Iterator[Finding]:
    """Every protocol does what its worked examples say."""
    count = 0
    for one in installation.protocols:
        count += len(one.examples)
        failed = sorted({wrong.example for wrong in run_examples(one)})
        for title in failed:
            yield Finding(
                "wrong", f"{one.key}: the example `{title}` does not hold",
                f"`keel protocol test {one.key}` says what was found",
            )  # fmt: skip
    yield Finding("ok", f"{count} examples run")


def legal_dates(installation: Installation) -> Iterator[Finding]:
    """Legal facts that nobody has confirmed, and those that begin or end soon."""
    facts, today = legal_facts(), installation.now.date()
    for fact in facts:
        if fact.status == "unconfirmed":
            yield Finding(
                "warning", f"{fact.id} is unconfirmed: {fact.says.rstrip('.')}",
                f"look at {fact.url or fact.citation}; rules on it: {_rules(fact.rules)}",
            )  # fmt: skip
    for fact, day, how in coming(facts, today, LEGAL_DAYS):
        yield Finding(
            "warning", f"{fact.id} {how} on {day}: {fact.says.rstrip('.')}",
            f"confirm what holds from then; rules on it: {_rules(fact.rules)}",
        )  # fmt: skip
    yield Finding("ok", f"{len(facts)} legal facts")


def _rules(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "none"
