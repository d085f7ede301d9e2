"""The JSON Schema of protocol files, for editors: `python -m protocols.schema FILE`.

It derives from the model. What a schema cannot say (columns, sources that exist, dates that do not
overlap) is told by `keel protocol test`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from protocols.model import COMPUTED, Protocol

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """A protocol file: whole, or one that extends another and gives only what differs."""
    made: dict[str, Any] = Protocol.model_json_schema(by_alias=True)
    definitions = made["$defs"]
    properties = made["properties"]
    for computed in COMPUTED:
        del properties[computed]
    needed = made["required"]
    rules = [definitions[name] for name in sorted(definitions) if name.endswith("Rule")]
    for rule in rules:
        rule |= _source_by_tier()
    example = definitions["Example"]
    example["required"] = [name for name in example["required"] if name != "row"]
    example["anyOf"] = [{"required": ["row"]}, {"required": ["like"]}]
    definitions["Override"] = _override(rules)
    properties["extends"] = {
        "type": "string", "pattern": r"^[a-z][a-z0-9-]*@\d+\.\d+\.\d+$",
        "description": "id@version of the protocol that this one changes",
    }  # fmt: skip
    properties["overrides"] = {
        "type": "object", "additionalProperties": {"$ref": "#/$defs/Override"},
        "description": "Rule id to its changed parameters, or to `dropped: reason`",
    }  # fmt: skip
    extending = ["protocol", "version"]
    return {
        "$schema": _DRAFT,
        "title": "Keel protocol",
        "description": "One version of a protocol: whom it judges, its rules, worked examples.",
        **{key: made[key] for key in ("type", "additionalProperties", "properties")},
        "if": {"required": ["extends"]},
        "then": {"required": extending},
        "else": {"required": needed, "not": {"required": ["overrides"]}},
        "$defs": definitions,
    }


def schema_text() -> str:
    """The schema as it is published."""
    return json.dumps(schema(), indent=2, sort_keys=False) + "\n"


def _source_by_tier() -> dict[str, Any]:
    """A house rule has no source, every other has one."""
    return {
        "if": {"properties": {"tier": {"const": "T4"}}},
        "then": {"properties": {"source": {"type": "null"}}},
        "else": {"required": ["source"]},
    }


def _override(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Any parameter of any kind; which of them the rule has is known only to Keel."""
    names = {name for rule in rules for name in rule["properties"]} - {"id"}
    parameters: dict[str, Any] = {}
    for name in sorted(names):
        forms = [rule["properties"][name] for rule in rules if name in rule["properties"]]
        alike = [form for at, form in enumerate(forms) if form not in forms[:at]]
        parameters[name] = alike[0] if len(alike) == 1 else {"anyOf": alike}
    changed = {
        "type": "object", "properties": parameters, "additionalProperties": False,
        "minProperties": 1,
    }  # fmt: skip
    dropped = {
        "type": "object", "properties": {"dropped": {"type": "string"}}, "required": ["dropped"],
        "additionalProperties": False,
    }  # fmt: skip
    return {"anyOf": [changed, dropped]}


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else "docs/reference/protocol.schema.json").write_text(
        schema_text(), encoding="utf-8"
    )
