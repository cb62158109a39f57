"""What a command of `crossover` is. Packages above the engine register theirs in the entry-point group
`crossover.commands`, so that no import points upwards."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from pydantic import JsonValue

ENTRY_POINTS = "crossover.commands"
_LONGEST_DRAIN_SECONDS = 3600


class Exit(IntEnum):
    DONE = 0
    INCONSISTENT = 1
    FAILED = 2
    INTERRUPTED = 130


@dataclass(frozen=True)
class CommandResult:
    """`document` is what `--json` prints, whole; `lines` are what a person reads instead."""

    document: Mapping[str, JsonValue]
    lines: Sequence[str]
    exit: Exit = Exit.DONE


@dataclass(frozen=True)
class Command:
    """`run` raises CrossoverError for what the user can mend; anything else is a defect of ours."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], CommandResult]


def add_rcu_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rcu",
        metavar="N",
        help="read capacity units a second that reading each table may use, or a share of its provisioned capacity, "
        "50%%; without limit unless given",
    )


def add_mapping_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mapping", metavar="MIGRATION.yaml", type=Path, help="the mapping file")


def add_snapshot_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--snapshot", metavar="ID", help="a finished snapshot; the newest unless given")


def add_judge_at_most_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--judge-at-most",
        type=_from_zero,
        metavar="N",
        help="read source and target again for no more than N differences, 100,000 unless given",
    )


def _from_zero(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError("give a number from 0")
    return int(text)


def add_sample_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--sample", metavar="F", help="compare this share of the keys only, above 0 and up to 1: always the same ones"
    )


def add_drain_seconds_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--drain-seconds",
        type=seconds_up_to(_LONGEST_DRAIN_SECONDS),
        metavar="N",
        help="writers wait for about so long at most, then the fence is taken down again; 60 unless given",
    )


def seconds_up_to(most: int) -> Callable[[str], float]:
    """Of an argument: above 0."""

    def read(text: str) -> float:
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds <= most:
            raise argparse.ArgumentTypeError(f"give seconds, above 0 and up to {most}")
        return seconds

    return read
