"""What goes to stderr: lines for people, or one JSON object a line, and neither with a secret in it.

CROSSOVER_LOG          DEBUG, INFO, WARNING or ERROR; WARNING unless set
CROSSOVER_LOG_FORMAT   text or json; text unless set

No message is written with a secret or a sensitive value in it. What is taken out here is what a library, a server or a
defect of ours puts into one all the same: the last line of defence, which knows shapes and names, not every value.
"""

from __future__ import annotations

import json
import logging
import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from pipelines.errors import UsageError

LEVEL, FORMAT = "CROSSOVER_LOG", "CROSSOVER_LOG_FORMAT"
HIDDEN = "•••"

_OUR_LOGGERS = ("crossover", "pipelines")
_SECRET_VARIABLES = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD")
_LEAST_SECRET = 8  # letters; a shorter one would be found inside of words
_SHAPES = (
    (re.compile(r"(://[^\s:@/]*):\S+@"), rf"\1:{HIDDEN}@"),  # the password of a URL
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}"), HIDDEN),  # access keys
    (
        re.compile(
            r"(?i)((?:password|passwd|secret_?access_?key|session_?token|security-token|signature|credential)"
            r"[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|[^\s&,;}]+)"
        ),
        rf"\1{HIDDEN}",
    ),
)

_UNKNOWN_MAPPING = re.compile(r"(`crossover [a-z]+) …")

_about: dict[str, str] = {}
_mapping: list[str] = []
_attributes: set[str] = set()
_told = logging.getLogger("crossover.told")


def start_logging(environment: Mapping[str, str] = os.environ) -> None:
    """Our own loggers at CROSSOVER_LOG's level. Others never below WARNING: they log credentials and whole items.
    Raises UsageError where a variable has no such value."""
    level = _one_of(LEVEL, environment, ("DEBUG", "INFO", "WARNING", "ERROR"), "WARNING")
    handler = logging.StreamHandler(sys.stderr)
    as_json = _one_of(FORMAT, environment, ("TEXT", "JSON"), "TEXT") == "JSON"
    handler.setFormatter(JsonLines() if as_json else TextLines("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("py4j").setLevel(logging.CRITICAL)  # a traceback for each call to a Java that is gone
    for ours in _OUR_LOGGERS:
        logging.getLogger(ours).setLevel(level)
    _told.setLevel(logging.INFO)


def say(line: str, level: int = logging.INFO) -> None:
    """One thing that the user should know, whatever the log's level."""
    if any(isinstance(handler.formatter, JsonLines) for handler in logging.getLogger().handlers):
        _told.log(level, "%s", line)
    else:
        sys.stderr.write(f"crossover: {redacted(completed(line))}\n")
        sys.stderr.flush()


def about(**what: str) -> None:
    """What the lines from here on speak of: each JSON object says it. For a process that does one thing at a time."""
    _about.update(what)


@contextmanager
def speaking_of(**what: str) -> Iterator[None]:
    """`about` until the end of the block."""
    before = dict(_about)
    _about.update(what)
    try:
        yield
    finally:
        _about.clear()
        _about.update(before)


def about_mapping(path: str | None) -> None:
    """Commands that the user is told to run are told with this mapping file from here on; None where there is none."""
    _mapping[:] = [] if path is None else [path]


def completed(text: str) -> str:
    """Whoever says "run `crossover capture … install`" does not always know the mapping's file: `…` is it."""
    if not _mapping:
        return text
    path = shlex.quote(_mapping[0])
    return _UNKNOWN_MAPPING.sub(lambda match: f"{match[1]} {path}", text)


def hide_attributes(names: Iterable[str]) -> None:
    """Values that stand beside these names are never shown: `"email": "x"`, `email=x`, `Key (email)=(x)`."""
    _attributes.update(names)


def redacted(text: str, environment: Mapping[str, str] = os.environ) -> str:
    for shape, instead in _SHAPES:
        text = shape.sub(instead, text)
    for name in _SECRET_VARIABLES:
        value = environment.get(name, "")
        if len(value) >= _LEAST_SECRET:
            text = text.replace(value, HIDDEN)
    return _beside_names(text) if _attributes else text


def _beside_names(text: str) -> str:
    names = "|".join(map(re.escape, sorted(_attributes)))
    value = r"(\{[^{}]*\}|\[[^\]]*\]|\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|\([^)]*\)|[^\s,;)}\]]+)"
    return re.sub(rf"""(["'](?:{names})["']\s*[:=]\s*|\(?\b(?:{names})\)?\s*=\s*){value}""", rf"\1{HIDDEN}", text)


class TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redacted(completed(super().format(record)))


class JsonLines(logging.Formatter):
    """time (UTC), level, logger, message, what it is about, and of an exception its type and where it came from: its
    own message can quote values."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": redacted(completed(record.getMessage())),
            **_about,
        }
        if record.exc_info and record.exc_info[1] is not None:
            frames = traceback.extract_tb(record.exc_info[2])
            line["exception"] = type(record.exc_info[1]).__name__
            line["trace"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        return json.dumps(line, ensure_ascii=False)


def _one_of(name: str, environment: Mapping[str, str], allowed: tuple[str, ...], default: str) -> str:
    value = environment.get(name, "").strip()
    if value and value.upper() not in allowed:
        raise UsageError(f"{name}={value}: no such value; use one of {', '.join(allowed)}")
    return value.upper() or default
