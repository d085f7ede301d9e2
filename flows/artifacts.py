"""What a person sees beside a flow run: summary, deliveries, blocked files, where the report is.

Counts, clinics, feeds and file names; Prefect keeps them in clear, so never a value of a patient.
"""

from __future__ import annotations

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from flows.summary import Summary

_SHOWN = 200


def show_artifacts(summary: Summary) -> None:
    """The artifacts of a night that was published."""
    create_markdown_artifact(
        markdown=f"{summary.markdown()}\nThe report: `{summary.report.resolve()}`\n",
        key="keel-nightly",
        description="What the night brought",
    )
    create_table_artifact(
        table=[{"state": state, "deliveries": count} for state, count in summary.batches.items()],
        key="keel-batches",
        description="Deliveries of the night",
    )
    blocked = [
        {"file": one.path, "feed": one.feed, "why": one.reason} for one in summary.watched.blocked
    ]
    blocked += [{"file": name, "feed": "", "why": "not read"} for name in summary.refused]
    create_table_artifact(
        table=blocked[:_SHOWN],
        key="keel-blocked-files",
        description=f"{len(blocked)} files of which nothing was loaded",
    )
