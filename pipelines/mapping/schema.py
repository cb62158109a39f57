"""The mapping file's JSON Schema (draft 2020-12): what editors complete and check while one types."""

from __future__ import annotations

from typing import Any

from pipelines.mapping.model import Mapping

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema of the whole file, as plain JSON values."""
    return {"$schema": DIALECT, **Mapping.model_json_schema(by_alias=True, mode="validation")}
