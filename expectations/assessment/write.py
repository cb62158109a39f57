"""The page of an assessment, written beside the files that it is made from."""

from __future__ import annotations

from expectations.assessment.page import assessment_page
from pipelines.assess.assess import Assessment
from pipelines.warehouse.place import Place

PAGE = "report.html"


def write_page(folder: Place, found: Assessment) -> Place:
    """Into the folder of the assessment; returns the page. Raises WarehouseError."""
    page = folder / PAGE
    page.write_atomically(assessment_page(found.evidence, found.patterns, found.design))
    return page
