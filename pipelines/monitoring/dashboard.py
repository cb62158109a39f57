"""A CloudWatch dashboard of one migration.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.monitoring import measures
from pipelines.monitoring.metric import ITEM_TYPE, MIGRATION, NAMESPACE, VERDICT, Measure

if TYPE_CHECKING:
    from pydantic import JsonValue

_WIDTH, _HEIGHT, _PERIOD_SECONDS = 12, 6, 60


def dashboard_name(migration: str) -> str:
    return f"crossover-{migration}"


def dashboard(migration: str, region: str, lag_limit_seconds: int) -> dict[str, JsonValue]:
    """The body, as plain JSON."""
    panels: list[tuple[str, list[JsonValue], JsonValue]] = [
        (
            "Lag, seconds",
            [_plain(migration, measures.OLDEST_UNDELIVERED, "Maximum")],
            {"horizontal": [{"label": "limit", "value": lag_limit_seconds}]},
        ),
        ("Undelivered, by item type", [_search(migration, measures.UNDELIVERED_ITEMS, ITEM_TYPE)], {}),
        (
            "Deliveries",
            [
                _plain(migration, one, "Sum")
                for one in (
                    measures.DELIVERED,
                    measures.SUPERSEDED,
                    measures.CONFLICTS,
                    measures.FAILED_DELIVERIES,
                )
            ],
            {},
        ),
        (
            "Latency, seconds",
            [_plain(migration, measures.DELIVERY_LATENCY, one) for one in ("p50", "p99", "Maximum")],
            {},
        ),
        ("Dead letters, by item type", [_search(migration, measures.SET_APART_ITEMS, ITEM_TYPE)], {}),
        (
            "Relays and marks",
            [_plain(migration, one, "Maximum") for one in (measures.RELAYS_ALIVE, measures.OPEN_MARKS)],
            {},
        ),
        ("Verdicts of the last verification", [_search(migration, measures.VERIFIED_ITEMS, VERDICT)], {}),
        (
            "Verifications",
            [
                _plain(migration, measures.CONSISTENT, "Minimum"),
                _plain(migration, measures.VERIFICATION_FAILED, "Maximum"),
            ],
            {},
        ),
    ]
    widgets: list[JsonValue] = [
        _widget(place, title, metrics, annotations, region)
        for place, (title, metrics, annotations) in enumerate(panels)
    ]
    return {"widgets": widgets}


def _widget(place: int, title: str, metrics: list[JsonValue], annotations: JsonValue, region: str) -> JsonValue:
    return {
        "type": "metric",
        "x": place % 2 * _WIDTH,
        "y": place // 2 * _HEIGHT,
        "width": _WIDTH,
        "height": _HEIGHT,
        "properties": {
            "title": title,
            "view": "timeSeries",
            "region": region,
            "period": _PERIOD_SECONDS,
            "metrics": metrics,
            "annotations": annotations,
        },
    }


def _plain(migration: str, measure: Measure, statistic: str) -> JsonValue:
    return [NAMESPACE, measure.name, MIGRATION, migration, {"stat": statistic, "label": f"{measure.name} {statistic}"}]


def _search(migration: str, measure: Measure, by: str) -> JsonValue:
    """All series of a measure that have this dimension."""
    query = f'{{{NAMESPACE},{MIGRATION},{by}}} MetricName="{measure.name}" {MIGRATION}="{migration}"'
    return [{"expression": f"SEARCH('{query}', 'Maximum', {_PERIOD_SECONDS})", "id": "all", "label": ""}]
