"""The report for programs: ReportData as one JSON object."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime

from expectations.report_data import ReportData


def render_json(data: ReportData) -> str:
    """Field names are ReportData's; times in ISO 8601. Ends with a line break."""
    return json.dumps(asdict(data), default=_iso, ensure_ascii=False, indent=2) + "\n"


def _iso(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()
