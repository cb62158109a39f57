"""The expectation of Great Expectations that is ours: one item type is the same in both stores.

Its result carries what a reader of the data docs asks next: how many items got which verdict, and of some that
differ, both sides. It works on the table of `verdicts_table`, whose column `samples` holds rows of `sample_rows`.
Which arguments a method takes is Great Expectations' choice.
"""

from __future__ import annotations

from typing import Any, ClassVar

from great_expectations.core.metric_domain_types import MetricDomainTypes
from great_expectations.execution_engine.pandas_execution_engine import PandasExecutionEngine
from great_expectations.expectations.expectation import BatchExpectation
from great_expectations.expectations.metrics.metric_provider import metric_value
from great_expectations.expectations.metrics.table_metric_provider import TableMetricProvider
from great_expectations.render.components import (
    CollapseContent,
    LegacyDiagnosticRendererType,
    LegacyRendererType,
    RenderedStringTemplateContent,
    RenderedTableContent,
)
from great_expectations.render.renderer.renderer import renderer

from expectations.words import BREAKS_CONSISTENCY, VERDICTS

_METRIC = "table.crossover.item_type"
_COLUMNS = ("Item", "Attribute", "Source", "DynamoDB")


class ItemTypeRow(TableMetricProvider):
    """The row of one item type, as a dictionary; empty where there is none."""

    metric_name = _METRIC
    value_keys = ("item_type",)

    @metric_value(engine=PandasExecutionEngine)
    def _pandas(
        cls,  # noqa: N805
        execution_engine: Any,
        metric_domain_kwargs: Any,
        metric_value_kwargs: Any,
        **_others: Any,
    ) -> dict[str, Any]:
        table, _, _ = execution_engine.get_compute_domain(metric_domain_kwargs, domain_type=MetricDomainTypes.TABLE)
        rows = table[table["item_type"] == metric_value_kwargs["item_type"]].to_dict("records")
        return dict(rows[0]) if rows else {}


class ExpectItemTypeToBeEqualInBothStores(BatchExpectation):
    """Met where no item of the type has a verdict that breaks consistency. `item_type` is "" for unmapped items."""

    item_type: str

    metric_dependencies: ClassVar[tuple[str, ...]] = (_METRIC,)
    success_keys: ClassVar[tuple[str, ...]] = ("item_type",)
    args_keys: ClassVar[tuple[str, ...]] = ("item_type",)

    def _validate(
        self,
        metrics: dict[str, Any],
        runtime_configuration: Any = None,  # noqa: ARG002
        execution_engine: Any = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        row = metrics[_METRIC]
        counts = {verdict: int(row[verdict]) for verdict in VERDICTS if row.get(verdict)}
        return {
            "success": bool(row) and not counts.keys() & BREAKS_CONSISTENCY,
            "result": {"observed_value": _totals(counts), "details": {"samples": row.get("samples", [])}},
        }

    @classmethod
    @renderer(renderer_type=LegacyRendererType.PRESCRIPTIVE)
    def _prescriptive_renderer(
        cls,
        configuration: Any = None,
        result: Any = None,
        runtime_configuration: Any = None,  # noqa: ARG003
    ) -> list[RenderedStringTemplateContent]:
        config = configuration or result.expectation_config
        return [_text("$item_type is the same in both stores.", item_type=config.kwargs["item_type"] or "No item type")]

    @classmethod
    @renderer(renderer_type=LegacyDiagnosticRendererType.UNEXPECTED_TABLE)
    def _diagnostic_unexpected_table_renderer(
        cls,
        configuration: Any = None,  # noqa: ARG003
        result: Any = None,
        runtime_configuration: Any = None,  # noqa: ARG003
    ) -> list[RenderedTableContent | CollapseContent] | None:
        samples = result.result.get("details", {}).get("samples", []) if result else []
        if not samples:
            return None
        return [
            RenderedTableContent(
                content_block_type="table",
                header_row=list(_COLUMNS),
                table=[[_text("$value", value=cell) for cell in sample] for sample in samples],
            )
        ]


def _totals(counts: dict[str, int]) -> str:
    """`45 items: 3 mismatch, 42 match`."""
    told = ", ".join(f"{count:,} {verdict}" for verdict, count in counts.items())
    return f"{sum(counts.values()):,} items: {told or 'none'}"


def _text(template: str, **parts: str) -> RenderedStringTemplateContent:
    """`parts` are escaped where Great Expectations renders them."""
    return RenderedStringTemplateContent(
        content_block_type="string_template", string_template={"template": template, "params": parts}
    )
