"""The engine's messages name options of the command line; in Dagster those are fields of a run's configuration."""

from __future__ import annotations

import re

_OPTION = re.compile(r"(?<![\w/-])--(?:(mode|verdict) ([a-z_]+)|([a-z][a-z0-9-]*))")
_FIELDS = {
    "resume": "resume: true",
    "force": "force: true",
    "item-type": "item_types",
    "bucket": "buckets",
}


def in_fields(message: str) -> str:
    """The message for who configures a run. Commands, which stand in backticks, stay commands."""
    parts = message.split("`")
    parts[::2] = [_OPTION.sub(_field, part) for part in parts[::2]]
    return "`".join(parts)


def _field(option: re.Match[str]) -> str:
    valued, value, name = option.groups()
    if valued == "verdict":
        return f"`verdicts: [{value}]`"
    return f"`mode: {value}`" if valued else f"`{_FIELDS.get(name, name.replace('-', '_'))}`"
