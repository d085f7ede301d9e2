"""keel.toml, KEEL_* and options, in that order of growing weight, as one frozen object."""

from __future__ import annotations

import codecs
import difflib
import os
import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
)

from checks.contract import contracts
from flows.errors import UsageError

CONFIG_NAME = "keel.toml"
ENVIRONMENT_PREFIX = "KEEL_"
_ONLY_IN_THE_FILE = ("programs", "encodings", "feeds", "source", "schedule", "alerts")


UTF_8 = "utf-8"


def _known_encoding(name: str) -> str:
    try:
        found = codecs.lookup(name)
    except LookupError:
        raise ValueError(f"{name} is no encoding; utf-8, cp1252 and utf-16 are some") from None
    if not getattr(found, "_is_text_encoding", False):
        raise ValueError(f"{name} is no encoding of text; utf-8, cp1252 and utf-16 are some")
    return found.name


Encoding = Annotated[str, AfterValidator(_known_encoding)]
"""How a text file's bytes stand for characters, by a name that Python knows."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FeedSettings(_Frozen):
    """How a network delivers one feed: changes only (delta) or everything each time (full)."""

    mode: Literal["delta", "full"] = "delta"


class SourceSettings(_Frozen):
    """A foreign export: its files as all-text tables, and what its SELECTs may leave out.

    `files` maps a table's name to a glob, `skip` a table's name to named SQL predicates,
    `constants` are visible to the SELECTs as the one-row table `source`, `select` maps a feed
    to a SELECT of the network's own (else `sql/sources/<system>/<feed>.sql`), `encoding` is that of
    its text files.
    """

    system: str
    clinic: str
    files: dict[str, str]
    skip: dict[str, dict[str, str]] = Field(default_factory=dict)
    constants: dict[str, str] = Field(default_factory=dict)
    select: dict[str, Path] = Field(default_factory=dict)
    encoding: Encoding = UTF_8

    @field_validator("constants", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {
            key: item.isoformat() if isinstance(item, date) else str(item)
            for key, item in value.items()
        }


class ScheduleSettings(_Frozen):
    """When the night runs by itself: at six in New York, when the day is over in Hawaii too."""

    cron: str = "0 6 * * *"
    time_zone: str = "America/New_York"

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError("is no time zone; write a place, for example America/New_York")
        return value


class AlertSettings(_Frozen):
    """Whom to tell, and of what: `urls` as Apprise reads them; more than `critical_limit` critical
    breaches found for the first time; a clinic's feed of which nothing came for `stale_days`."""

    urls: tuple[SecretStr, ...] = ()
    critical_limit: int = Field(default=0, ge=0)
    stale_days: int = Field(default=3, ge=1)
    stale_feeds: tuple[str, ...] = ("sessions", "doses", "vitals")

    @field_validator("urls", "stale_feeds", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        """In the environment they stand side by side, with blanks between."""
        return tuple(value.split()) if isinstance(value, str) else value

    @field_validator("stale_feeds")
    @classmethod
    def _known_feeds(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for feed in value:
            _known_feed(feed)
        return value


class Settings(_Frozen):
    """Every setting with its documented default; folders are relative to the working folder."""

    landing: Path = Path("landing")
    warehouse: Path = Path("warehouse")
    publish: Path = Path("published")
    protocols: tuple[Path, ...] = ()
    builtin_protocols: bool = True
    as_of: datetime | None = None
    quarantine_share: float = Field(default=0.05, ge=0, le=1)
    small_cell: int = Field(default=11, ge=1)
    keep_runs: int = Field(default=14, ge=1)
    memory_mb: int | None = Field(default=None, ge=500)
    retention_days: int | None = Field(default=None, ge=1)
    legal_hold: tuple[str, ...] = ()
    legal_hold_file: Path | None = None
    programs: dict[str, str] = Field(default_factory=dict)
    encodings: dict[str, Encoding] = Field(default_factory=dict)
    feeds: dict[str, FeedSettings] = Field(default_factory=dict)
    source: tuple[SourceSettings, ...] = ()
    schedule: ScheduleSettings = ScheduleSettings()
    alerts: AlertSettings = AlertSettings()

    @field_validator("feeds")
    @classmethod
    def _known_feeds(cls, value: dict[str, FeedSettings]) -> dict[str, FeedSettings]:
        for feed in value:
            _known_feed(feed)
        return value

    @field_validator("as_of")
    @classmethod
    def _instant(cls, value: datetime | None) -> datetime | None:
        if value is not None and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        return value

    def encoding_of(self, clinic_id: str, file: str) -> str:
        """The encoding declared for a text file of a clinic's folder: that of the first glob of
        "<clinic_id>/<file>" that fits, else UTF-8.
        """
        name = f"{clinic_id}/{file}"
        declared = (of for glob, of in self.encodings.items() if fnmatchcase(name, glob))
        return next(declared, UTF_8)

    def now(self) -> datetime:
        """The instant the night is judged at: `as_of`, else the clock's."""
        return (self.as_of or datetime.now(UTC)).astimezone(UTC)


_TABLES: dict[str, type[_Frozen]] = {"schedule": ScheduleSettings, "alerts": AlertSettings}


def _known_feed(feed: str) -> None:
    if feed not in contracts():
        near = difflib.get_close_matches(feed, contracts(), n=1)
        raise ValueError(f"{feed} is no feed{f'; did you mean {near[0]}?' if near else ''}")


def load_settings(config: Path | None, overrides: Mapping[str, Any]) -> Settings:
    """Settings of the file, overridden by KEEL_* and by the options that are not None.

    Raises UsageError when a named file is missing or a setting is unknown or of the wrong type.
    """
    path = config or Path(CONFIG_NAME)
    values = _read_toml(path, needed=config is not None)
    values |= _from_environment(Settings, ENVIRONMENT_PREFIX)
    for name, table in _TABLES.items():
        own = values.get(name, {})
        if isinstance(own, dict):
            values[name] = own | _from_environment(table, f"{ENVIRONMENT_PREFIX}{name.upper()}_")
    values |= {key: value for key, value in overrides.items() if value is not None}
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        raise UsageError(_explain(path, error)) from None


def _read_toml(path: Path, *, needed: bool) -> dict[str, Any]:
    if not path.exists() and not needed:
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{path}: no such settings file; name one with --config.") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}); check its rights.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: is not TOML ({error}); mend that line.") from None


def _from_environment(model: type[BaseModel], prefix: str) -> dict[str, Any]:
    """KEEL_<SETTING> of one value each; paths of `protocols` are split as PATH is."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        value = os.environ.get(prefix + name.upper())
        if value is None or name in _ONLY_IN_THE_FILE:
            continue
        split = field.annotation in (tuple[Path, ...], tuple[str, ...])
        found[name] = tuple(part for part in value.split(os.pathsep) if part) if split else value
    return found


def _explain(path: Path, error: ValidationError) -> str:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        held = _TABLES.get(str(first["loc"][0]), Settings)
        near = difflib.get_close_matches(str(first["loc"][-1]), held.model_fields, n=1)
        hint = f"; did you mean {near[0]}?" if near else "; see `docs/reference/settings.md`."
        return f"{path}: the setting {name} is unknown{hint}"
    message = first["msg"].removeprefix("Value error, ").lower()
    return f"{path}: the setting {name} is not valid: {message}."
