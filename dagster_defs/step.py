"""What all steps of a run share."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain, count
from urllib.parse import quote

import dagster as dg

from dagster_defs.option_fields import in_fields
from pipelines.errors import CrossoverError, UsageError
from pipelines.settings import optional, warehouse_address
from pipelines.warehouse.place import Place

REPORTS_URL = "CROSSOVER_REPORTS_URL"
"""Where the warehouse's pages are served; `crossover ui` sets it for what it starts, unless it is set."""

Numbers = Mapping[str, int | float | str | bool]

Metadata = Mapping[str, int | float | str | bool | dg.MetadataValue]
"""Numbers, which Dagster charts over time, beside what it only shows: tables of sample rows, addresses."""


RETRIES = 2
RETRY_SECONDS = 30.0


@contextmanager
def failing_in_one_line() -> Iterator[None]:
    """What the user can mend fails the step with its own line, options named as fields, and no stack trace. A
    KeyboardInterrupt, which a stage raises once it has obeyed an interrupt, is Dagster's, too: the run is then a
    cancelled one.

    Of what no stage knows, such as a lost Spark executor, or a disk that fails for a moment, a retry is asked for:
    every stage goes on where it stopped. A RetryPolicy would not do: it also begins again what the user has cancelled.
    """
    try:
        yield
    except CrossoverError as error:
        raise dg.Failure(description=in_fields(str(error)), allow_retries=False) from None
    except dg.Failure:
        raise
    except Exception as error:
        raise dg.RetryRequested(RETRIES, RETRY_SECONDS) from error


def address_of(page: Place) -> str:
    """What a browser opens: below CROSSOVER_REPORTS_URL or, without one, the file itself; of S3 the address that AWS's
    tools take. Raises UsageError where the setting is no web address."""
    url = reports_url()
    if url is None:
        return page.local.as_uri() if page.local is not None else str(page)
    return f"{url.rstrip('/')}/{quote(str(page).removeprefix(f'{Place.of(warehouse_address())}/'))}"


def reports_url() -> str | None:
    """Of CROSSOVER_REPORTS_URL. Raises UsageError where it is no web address."""
    url = optional(REPORTS_URL)
    if url is not None and not url.startswith(("http://", "https://")):
        raise UsageError(f"{REPORTS_URL}: no web address; give https://HOST/PATH, below which the warehouse is served")
    return url


def result(metadata: Metadata) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata=dict(metadata))


def group_of(migration: str) -> str:
    """Dagster's group names hold letters, digits and underscores only."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "_" for letter in migration)


def distinct_names(names: Iterable[str]) -> dict[str, str]:
    """The names by what Dagster can call them; those that come to the same are numbered."""
    found: dict[str, str] = {}
    for name in names:
        plain = group_of(name)
        numbered = (f"{plain}_{number}" for number in count(2))
        found[next(one for one in chain([plain], numbered) if one not in found)] = name
    return found
