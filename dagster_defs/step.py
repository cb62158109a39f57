"""What all steps of a run share."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import dagster as dg

from pipelines.errors import CrossoverError
from pipelines.warehouse.place import Place

Numbers = Mapping[str, int | float | str | bool]


@contextmanager
def failing_in_one_line() -> Iterator[None]:
    """What the user can mend fails the step with its own line and no stack trace. A KeyboardInterrupt, which a stage
    raises once it has obeyed an interrupt, is Dagster's, too: the run is then a cancelled one."""
    try:
        yield
    except CrossoverError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None


def address_of(page: Place) -> str:
    """What a browser opens; of S3 the address that AWS's tools take."""
    return page.local.as_uri() if page.local is not None else str(page)


def result(numbers: Numbers) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata=dict(numbers))


def group_of(migration: str) -> str:
    """Dagster's group names hold letters, digits and underscores only."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in migration)
