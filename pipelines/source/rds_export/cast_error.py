"""Why a column of an export cannot be given the form that a live snapshot has."""

from __future__ import annotations

import pyarrow as pa


class CastError(ValueError):
    """Says what is wrong with the column as a whole; never shows a value."""


def exported_as(found: pa.DataType, wanted: str) -> CastError:
    return CastError(f"the export has it as {found}, which is no exact form of {wanted}; its type has changed since")


def lost(what: str) -> CastError:
    """Of what docs/rds-export.md lists under "What an export loses"."""
    return CastError(f"{what}; exclude it, or use --from live")


def no_value_of(name: str) -> CastError:
    return CastError(f"a value in the export is no {name} as PostgreSQL prints it; its type may have changed since")
