"""Pydantic's errors in the words of the mapping file: where, which value, what is allowed, how to fix it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from pipelines.mapping.checks_model import Checks, Retention, Thresholds
from pipelines.mapping.model import (
    Compare,
    Embed,
    Include,
    IndexSpec,
    Item,
    KeySpec,
    Mapping,
    Provisioned,
    Source,
    SourceTable,
    Target,
    TargetTable,
)
from pipelines.mapping.origin import Path, listed, nearest

_MODELS: tuple[tuple[tuple[str, ...], type[BaseModel]], ...] = (
    ((), Mapping),
    (("source",), Source),
    (("target",), Target),
    (("target", "tables", "*"), TargetTable),
    (("target", "tables", "*", "billing"), Provisioned),
    (("target", "tables", "*", "indexes", "*"), IndexSpec),
    (("target", "tables", "*", "indexes", "*", "projection"), Include),
    (("items", "*"), Item),
    (("checks",), Checks),
    (("checks", "thresholds"), Thresholds),
    (("retention",), Retention),
)


def model_problems(error: ValidationError, values: dict[str, Any]) -> list[tuple[Path, str]]:
    """(path, message), one for each place that is wrong."""
    found: dict[Path, str] = {}
    for details in error.errors(include_url=False, include_context=True):
        path = _real_path(details, values)
        found.setdefault(path, _message(details, path))
    return list(found.items())


def _real_path(details: ErrorDetails, values: dict[str, Any]) -> Path:
    """The error's location without pydantic's own steps (union members, `[key]`)."""
    path: list[str | int] = []
    here: Any = values
    location = details["loc"]
    for n, step in enumerate(location):
        if _leads_on(here, step):
            path.append(step)
            here = here[step]
        elif n == len(location) - 1 and details["type"] == "missing":
            path.append(step)
    return tuple(path)


def _leads_on(here: Any, step: str | int) -> bool:
    if isinstance(here, dict):
        return step in here
    return isinstance(here, list) and isinstance(step, int) and step < len(here)


def _message(details: ErrorDetails, path: Path) -> str:
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            return "missing; add it"
        case "extra_forbidden":
            allowed = list(_allowed(path[:-1]))
            return f"no such key{nearest(str(path[-1]), allowed)}; allowed here: {listed(allowed, 40)}"
        case "literal_error" | "enum":
            return f"{_shown(details['input'])} is not allowed; allowed: {context['expected']}"
        case "string_type":
            return f"{_shown(details['input'])} is no text{_quoted_hint(details['input'])}"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"{_shown(details['input'])} is no whole number"
        case "bool_type":
            return f"{_shown(details['input'])} is neither true nor false"
        case "tuple_type":
            return f"{_shown(details['input'])} is no list; write [a, b]"
        case "dict_type" | "model_type" | "model_attributes_type":
            return f"{_shown(details['input'])} is no map; write {_example(path)}"
        case "string_too_short" | "too_short":
            return "empty; write at least one"
        case "greater_than_equal":
            return f"{_shown(details['input'])} is too small; {context['ge']} at least"
        case _:
            return f"{_shown(details['input'])}: {details['msg']}"


def _allowed(path: Path) -> Iterator[str]:
    model = _model_at(path)
    for name, field in (model.model_fields if model else {}).items():
        yield field.alias or name


def _model_at(path: Path) -> type[BaseModel] | None:
    if path and path[-1] == "from":
        return SourceTable
    if path and path[-1] in ("partition_key", "sort_key"):
        return KeySpec
    if path and path[-1] == "compare":
        return Compare
    if len(path) > 3 and path[0] == "items" and path[-2] == "embed":
        return Embed
    for pattern, model in _MODELS:
        if len(pattern) == len(path) and all(a in ("*", b) for a, b in zip(pattern, path, strict=True)):
            return model
    return None


def _example(path: Path) -> str:
    model = _model_at(path)
    required = [f.alias or n for n, f in model.model_fields.items() if f.is_required()] if model else []
    return "{" + ", ".join(f"{name}: …" for name in required or ["name"]) + "}"


def _quoted_hint(value: object) -> str:
    return "; put it in quotes" if value is not None and not isinstance(value, dict | list) else ""


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, dict | list):
        return "a map" if isinstance(value, dict) else "a list"
    text = str(value)
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}…`"
