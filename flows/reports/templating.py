"""Where the templates of all reports live: what they are given is text, never markup."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined

from flows.reports.words import FILTERS


def environment() -> Environment:
    """Templates with the report's filters; whatever is not given to one is an error."""
    made = Environment(
        loader=PackageLoader("flows.reports"), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.filters |= FILTERS
    return made
