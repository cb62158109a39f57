"""The command of CROSSOVER_ON_FAILURE, which is given the news on stdin."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import dataclass

from dagster_defs.news import News
from pipelines.errors import MonitoringError, UsageError

ON_FAILURE = "CROSSOVER_ON_FAILURE"
SECONDS = 40.0
"""That the command may take."""


@dataclass(frozen=True)
class CommandChannel:
    """Runs a program, without a shell. What it prints goes where Dagster's own output goes."""

    command: tuple[str, ...]

    @classmethod
    def of(cls, line: str) -> CommandChannel:
        """Raises UsageError where it is no command line."""
        try:
            return cls(tuple(shlex.split(line)))
        except ValueError as error:
            raise UsageError(f"{ON_FAILURE}: no command line ({error}); quote what belongs together") from None

    def tell(self, news: News) -> None:
        """Once: it may have done half of its work when it fails."""
        try:
            finished = subprocess.run(self.command, input=json.dumps(news), text=True, timeout=SECONDS)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise MonitoringError(f"{ON_FAILURE}: {self.command[0]}: {type(error).__name__}") from None
        if finished.returncode:
            raise MonitoringError(f"{ON_FAILURE}: {self.command[0]}: ended with {finished.returncode}")
