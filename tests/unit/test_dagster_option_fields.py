"""Messages of the engine in a step of Dagster."""

from __future__ import annotations

import pytest

from dagster_defs.option_fields import in_fields

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("message", "in_dagster"),
    [
        ("go on with the unfinished run r by --resume", "go on with the unfinished run r by `resume: true`"),
        ("empty them, or overwrite by --force", "empty them, or overwrite by `force: true`"),
        ("--mode cold: capture is on; use live", "`mode: cold`: capture is on; use live"),
        ("--s3, --keep-objects: only with --mode import", "`s3`, `keep_objects`: only with `mode: import`"),
        ("--wcu 0: give units", "`wcu` 0: give units"),
        ("only with --verdict foreign", "only with `verdicts: [foreign]`"),
        ("paused; run `crossover relay … --resume`", "paused; run `crossover relay … --resume`"),
        ("/srv/a--resume/b: missing -- gone", "/srv/a--resume/b: missing -- gone"),
    ],
)
def test_options_are_named_as_fields_and_commands_stay(message: str, in_dagster: str) -> None:
    assert in_fields(message) == in_dagster
