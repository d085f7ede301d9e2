"""Data files of the package (`costs.yaml`, `instruments.yaml`, `risk.yaml`) as their models."""

from __future__ import annotations

from importlib.resources import files
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from checks.strict_yaml import YamlProblem, parse
from protocols.errors import ProtocolError

Model = TypeVar("Model", bound=BaseModel)


def packaged(file: str) -> str:
    """The text of a file that lies beside this one."""
    return (files("protocols") / file).read_text(encoding="utf-8")


def read_model(kind: type[Model], file: str, text: str) -> Model:
    """A file's text as its model; ProtocolError says on which line it is wrong."""
    try:
        document = parse(text)
        return kind.model_validate(document.data)
    except YamlProblem as problem:
        raise ProtocolError(f"protocols/{file}, {problem}.") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        line = document.line(tuple(first["loc"]))
        raise ProtocolError(f"protocols/{file}, line {line}: {first['msg']}.") from None
