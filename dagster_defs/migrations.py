"""The migrations that the UI shows: every mapping file in the folder CROSSOVER_MIGRATIONS."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dagster_defs.step import group_of
from pipelines.errors import CrossoverError, UsageError
from pipelines.mapping.load import load_mapping
from pipelines.mapping.model import Mapping
from pipelines.settings import MIGRATIONS, required

_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True)
class Found:
    """A mapping file that can be shown."""

    path: Path
    mapping: Mapping


@dataclass(frozen=True)
class Broken:
    """A mapping file that cannot; `problem` is one line."""

    path: Path
    problem: str


def find_migrations(folder: Path | None = None) -> list[Found | Broken]:
    """All `*.yaml` and `*.yml` of the folder, by name. Raises UsageError where there is no such folder.

    A file that cannot be read, or that names a migration that an earlier file has, or one whose name comes to the same
    in Dagster, is Broken: it must not take the others down.
    """
    folder = folder or Path(required(MIGRATIONS, "the folder of the mapping files that Dagster shows"))
    if not folder.is_dir():
        raise UsageError(f"{MIGRATIONS}={folder}: no such folder")
    seen: dict[str, Path] = {}
    return [_read(path, seen) for path in sorted(path for path in folder.iterdir() if path.suffix in _ENDINGS)]


def _read(path: Path, seen: dict[str, Path]) -> Found | Broken:
    try:
        mapping = load_mapping(path)
    except CrossoverError as error:
        return Broken(path, str(error).splitlines()[0])
    group = group_of(mapping.migration).rstrip("_")  # the job `a__backfill` of `a_` is an asset's step in `a`
    if group in seen:
        return Broken(path, f"{path}: migration {mapping.migration!r} is {seen[group]}'s already, or too much like it")
    seen[group] = path
    return Found(path, mapping)
