"""How commands are told where their metrics go: `--metrics`, again and again, or CROSSOVER_METRICS."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping

from pipelines.errors import UsageError
from pipelines.settings import optional

METRICS = "CROSSOVER_METRICS"


def add_metrics_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics",
        metavar="SINK",
        action="append",
        default=[],
        help="where metrics go: emf, emf:FILE, cloudwatch, prometheus:PORT, prometheus-file:PATH; can be given again; "
        f"those of {METRICS}, with commas between, unless given",
    )


def metrics_of(arguments: argparse.Namespace, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """For `open_sinks`. Raises UsageError for `emf` where `--json` has stdout for itself."""
    given = tuple(arguments.metrics) or configured(environment)
    if "emf" in given and arguments.json:
        raise UsageError(f"{named_by(arguments)} emf prints on stdout, and so does --json; give emf:FILE")
    return given


def configured(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Those of CROSSOVER_METRICS."""
    return tuple(filter(None, (one.strip() for one in (optional(METRICS, environment) or "").split(","))))


def named_by(arguments: argparse.Namespace) -> str:
    """What has named the sinks, for the errors of `open_sinks`."""
    return "--metrics" if arguments.metrics else METRICS
