"""What pydantic found wrong with a protocol's data, as one sentence with its place."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, NoReturn, get_args, get_origin

from pydantic import BaseModel, ValidationError

from protocols.extending import Placed, nearest
from protocols.model import COMPUTED, Protocol, Rule

_RULES: Mapping[str, type[BaseModel]] = {
    get_args(model.model_fields["kind"].annotation)[0]: model
    for model in get_args(get_args(Rule)[0])
}
_WORDS: Mapping[str, str] = {
    "string_type": "must be text; put it in quotes",
    "float_type": "must be a number", "int_type": "must be a whole number",
    "int_from_float": "must be a whole number", "finite_number": "must be a finite number",
    "bool_type": "must be true or false", "tuple_type": "must be a list, for example [one, two]",
    "list_type": "must be a list", "dict_type": "must be a block of `name: value`",
    "model_type": "must be a block of `name: value`",
    "model_attributes_type": "must be a block of `name: value`",
    "date_type": "must be a date such as 2025-01-31",
}  # fmt: skip


def explain(placed: Placed, error: ValidationError) -> NoReturn:
    """Raise ProtocolError for the first thing that is wrong; a misspelt name comes first."""
    problems = error.errors()
    misnamed = [problem for problem in problems if problem["type"] == "extra_forbidden"]
    first: Mapping[str, Any] = (misnamed or problems)[0]
    loc = first["loc"]
    path = _path(loc)
    name = next((part for part in reversed(path) if isinstance(part, str)), "the file")
    match first["type"]:
        case "extra_forbidden":
            message = f"{path[-1]} is not known here{_hint(str(path[-1]), loc)}"
        case "union_tag_invalid":
            tag = str(first["ctx"]["tag"])
            message, path = f"there is no kind {tag}{nearest(tag, list(_RULES))}", (*path, "kind")
        case "union_tag_not_found":
            message = f"the rule has no kind{nearest('', list(_RULES))}"
        case "literal_error":
            allowed = first["ctx"]["expected"].replace("'", "").replace(" or ", ", ").split(", ")
            near = difflib.get_close_matches(str(first["input"]), allowed, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            message = f"{name} must be one of {', '.join(allowed)}{hint}"
        case "missing":
            message = f"{path[-1]} is missing; add it"
        case known if known in _WORDS:
            message = f"{name} {_WORDS[known]}"
        case "string_pattern_mismatch":
            message = f"{name} must look like {_PATTERNS.get(name, 'the others')}"
        case _:
            message = first["msg"].removeprefix("Value error, ")
            joint = " " if message.startswith("must ") else ": "
            message = f"{name}{joint}{message}" if path else message
    placed.fail(path, message)


_PATTERNS = {"protocol": "my-protocol (a-z, 0-9 and -)", "version": "1.0.0",
             "id": "my-rule (a-z, 0-9, - and _)"}  # fmt: skip


def _path(loc: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """Where in the file: without the kind that pydantic adds to a rule's path."""
    if len(loc) > 2 and loc[0] == "rules":
        return (*loc[:2], *loc[3:])
    return loc


def _hint(name: str, loc: tuple[str | int, ...]) -> str:
    names = [name for model in _models(loc) for name in _names(model) if name not in COMPUTED]
    if len(loc) == 1:
        names += ["extends", "overrides"]
    if loc[0] == "rules" and len(loc) == 4:
        of = [kind for kind, model in _RULES.items() if name in _names(model)]
        if of:
            return f"; it is of the kind {' or '.join(of)}, this rule's is {loc[2]}"
    return nearest(name, names)


def _names(model: type[BaseModel]) -> list[str]:
    """A model's names as a file writes them."""
    return [field.alias or key for key, field in model.model_fields.items()]


def _models(loc: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """The models that the part which holds the last name may be of."""
    models: list[type[BaseModel]] = [Protocol]
    steps = iter(loc[:-1])
    for step in steps:
        if isinstance(step, int):
            continue
        if step in _RULES and all(model in _RULES.values() for model in models):
            models = [_RULES[step]]
            continue
        annotation = next(
            field.annotation
            for model in models
            for key, field in model.model_fields.items()
            if step in (key, field.alias)
        )
        models = _models_in(annotation)
        if get_origin(annotation) is dict:
            next(steps, None)
    return models


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
