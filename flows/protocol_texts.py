"""What `keel protocol` says to a person at a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from flows.replay import WHOLE, Replay
from protocols.description import effective_words, tier_counts, wrapped
from protocols.evaluate import SUBJECT_KINDS
from protocols.examples import NOT_JUDGED, Trial
from protocols.model import Protocol


def listed(held: Sequence[Protocol]) -> str:
    """Two lines a version."""
    if not held:
        return "no protocol is there; name a folder of them with `protocols` in keel.toml"
    return "\n".join(
        f"{one.key}  {one.title}\n    in force {effective_words(one)}; judges {one.judges}; "
        f"{len(one.rules)} rules: {tier_counts(one)}"
        for one in held
    )


def tested(trial: Trial, width: int) -> str:
    """One line an example, then the counts and what no example shows."""
    lines = [trial.protocol.key]
    for example, wrong in trial.outcomes:
        if not wrong:
            count = _verdicts(len(example.expect))
            lines.append(wrapped(f"  ok    {example.title} ({count})", width, "        "))
            continue
        said = "; ".join(
            f"{one.rule_id}: {words(one.expected)} expected, {words(one.found)} found"
            + (f" ({one.reason})" if one.reason else "")
            for one in wrong
        )
        if all(one.found == NOT_JUDGED for one in wrong):
            said = f"not judged; {_scope(trial.protocol)}"
        lines.append(wrapped(f"  FAIL  {example.title}: {said}", width, "        "))
    failed = sum(bool(wrong) for _, wrong in trial.outcomes)
    total = len(trial.outcomes)
    if total == 0:
        return f"{trial.protocol.key}\n  no worked example; add some under `examples`"
    lines.append(f"  {total - failed} of {total} examples hold, {_verdicts(trial.verdicts)} in all")
    if trial.unshown and trial.holds:
        lines.append(wrapped(f"  no example shows: {', '.join(trial.unshown)}", width, "    "))
    return "\n".join(lines)


def replayed(found: Replay, width: int, *, with_subjects: bool) -> str:
    """Who was judged, what changes per rule and clinic, and which rules say what they said."""
    lines = [wrapped(line, width, "  ") for line in _opening(found)]
    flips = found.flips
    noun = SUBJECT_KINDS[found.draft.judges]
    if found.judged == found.judged_before == 0:
        lines.append("nothing was judged; choose another period, or look at the draft's scope")
    elif flips.is_empty():
        lines.append(f"no verdict on any {noun} changes")
    whole = flips.filter(pl.col("rule_id") == WHOLE)
    if len(whole):
        lines += ["", f"each {noun} as a whole", *_by_clinic(whole)]
    titles = {rule.id: rule.title for one in (*found.against, found.draft) for rule in one.rules}
    for rule_id, title in titles.items():
        mine = flips.filter(pl.col("rule_id") == rule_id)
        if len(mine):
            lines += ["", wrapped(f"{rule_id} ({title})", width, "  "), *_by_clinic(mine)]
    same = [rule for rule in titles if rule not in flips["rule_id"].to_list()]
    if same and len(flips):
        lines += ["", wrapped(f"as before: {', '.join(same)}", width, "  ")]
    if with_subjects and len(found.subjects):
        lines += ["", f"each {noun} that changes", *(_subjects(found, width))]
    return "\n".join(lines)


def _scope(protocol: Protocol) -> str:
    """What a row must be for a protocol to judge it."""
    if protocol.judges != "sessions":
        return "its row is not one of the protocol's population"
    programs = f", in the programme {' or '.join(protocol.programs)}" if protocol.programs else ""
    drug = f" with a dose of {protocol.drug}" if protocol.drug else ""
    return f"the protocol judges sessions that are completed, or aborted{drug}{programs}" + (
        ", and of its population" if protocol.population else ""
    )


def words(status: str) -> str:
    """A status as it is said."""
    return status.replace("_", " ")


def _verdicts(number: int) -> str:
    return "1 verdict" if number == 1 else f"{number} verdicts"


def _opening(found: Replay) -> Iterator[str]:
    against = ", ".join(one.key for one in found.against)
    yield f"draft {found.draft.key} against {against or 'nothing: no version of it is known'}"
    begins = f"from {found.first} " if found.first else ""
    ends = f"to {found.last} " if found.last else ""
    period = (begins + ends).strip() or "of all time"
    yield f"{found.draft.judges} {period}, as of {found.as_of.isoformat()}"
    yield from (f"note: {note}" for note in found.notes)
    yield f"judged by the draft {found.judged:,}, by the version in force {found.judged_before:,}"


def _by_clinic(flips: pl.DataFrame) -> Iterator[str]:
    for (clinic,), rows in flips.sort("clinic_id").group_by("clinic_id", maintain_order=True):
        for row in rows.sort("count", "old", "new", descending=[True, False, False]).to_dicts():
            yield f"  {clinic}: {row['count']:,} {words(row['old'])} -> {words(row['new'])}"


def _subjects(found: Replay, width: int) -> Iterator[str]:
    for row in found.subjects.to_dicts():
        reason = f": {row['reason']}" if row["reason"] else ""
        said = f"{row['clinic_id']} {row['subject_id']} {row['rule_id']}"
        change = f"{words(row['old'])} -> {words(row['new'])}"
        yield wrapped(f"  {said}, {change}{reason}", width, "    ")
