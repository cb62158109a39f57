"""The report for programs: ReportData as one JSON object, and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime

from pydantic import TypeAdapter

from expectations.report_data import ReportData

JSON = "report.json"


def render_json(data: ReportData) -> str:
    """Field names are ReportData's; times in ISO 8601. Ends with a line break."""
    return json.dumps(asdict(data), default=_iso, ensure_ascii=False, indent=2) + "\n"


def parse_json(text: str) -> ReportData:
    """Raises ValueError where it is no report, or lacks what this Crossover tells; what it has beside is left out."""
    return TypeAdapter(ReportData).validate_json(text)


def _iso(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()
