"""The items of one migration, read from DynamoDB as an application wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.errors import UsageError
from pipelines.items.record import DELETED_ATTRIBUTE
from pipelines.mapping.catalog import Catalog
from pipelines.mapping.key_patterns import KeyMatcher
from pipelines.mapping.plan import ItemPlan
from pipelines.reading.access import Access, index_access, table_access
from pipelines.reading.cursor import from_cursor, to_cursor
from pipelines.reading.key_value import require_columns
from pipelines.reading.opening import Source, opened_plan
from pipelines.reading.shown import Item, shown
from pipelines.reading.sort_range import sort_range
from pipelines.target.client import dynamodb_client as default_client
from pipelines.target.failures import target_errors

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

MOST_A_PAGE = 1000
_NOTHING: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Page:
    """`cursor`: for the next page; None where there is none."""

    items: tuple[Item, ...]
    cursor: str | None = None


@dataclass(frozen=True)
class _Query:
    access: Access
    request: dict[str, Any]
    fixed: dict[str, Any] = field(default_factory=dict)  # the partition key's attribute


class Items:
    """Columns are those of the source's tables, by name, as Python values (int, str, Decimal, UUID, date, datetime, …).
    A name that is no Python argument, or one of a method's own, goes into `columns`: `{"customer.name": "Ann"}`.

    Threads may share one: so may they boto3's client. Methods raise UsageError for arguments that fit no key, and
    TargetError where DynamoDB refuses or is away.
    """

    def __init__(
        self,
        migration: Source,
        dynamodb_client: DynamoDBClient | None = None,
        *,
        catalog: Catalog | Path | str | None = None,
    ) -> None:
        """`catalog`: a file of `save_catalog`; without it the latest snapshot's in the warehouse. The source database
        is never asked. Raises what `opened_plan` raises."""
        self._mapping, plan = opened_plan(migration, catalog)
        self._client = dynamodb_client or default_client()
        self._plans = {item.name: item for item in plan.items}
        self._matcher = KeyMatcher(plan)

    def get(
        self, item_type: str, columns: Mapping[str, object] = _NOTHING, /, *, consistent: bool = False, **more: object
    ) -> Item | None:
        """The item whose key these columns make; None where there is none, or it was deleted."""
        access = table_access(self._mapping, self._plan(item_type))
        given = {**columns, **more}
        require_columns(item_type, given, access.columns)
        key = {one.name: one.of(given) for one in access.keys}
        with target_errors(self._client, "GetItem", access.table):
            answer = self._client.get_item(TableName=access.table, Key=key, ConsistentRead=consistent)
        item = answer.get("Item")
        return None if item is None or DELETED_ATTRIBUTE in item else shown(item)

    def list(
        self,
        item_type: str,
        columns: Mapping[str, object] = _NOTHING,
        /,
        *,
        begins: Mapping[str, str] = _NOTHING,
        between: Mapping[str, Sequence[object]] = _NOTHING,
        reverse: bool = False,
        consistent: bool = False,
        page_size: int = 100,
        cursor: str | None = None,
        **more: object,
    ) -> Page:
        """Items of one type with one partition key, in the order of the sort key.

        `columns`: all of the partition key, and of the sort key as many as wanted from its left. `begins`, `between`:
        of the next one, `{"placed_at": "2026-11"}`, `{"order_id": (1, 99)}`; both ends count, None leaves one open.
        """
        access = table_access(self._mapping, self._plan(item_type))
        query = self._query(access, {**columns, **more}, begins, between, reverse=reverse)
        return self._page(item_type, query, page_size, cursor, consistent=consistent)

    def by_index(
        self,
        index: str,
        item_type: str,
        columns: Mapping[str, object] = _NOTHING,
        /,
        *,
        begins: Mapping[str, str] = _NOTHING,
        between: Mapping[str, Sequence[object]] = _NOTHING,
        reverse: bool = False,
        page_size: int = 100,
        cursor: str | None = None,
        **more: object,
    ) -> Page:
        """As `list`, by an index's keys, with the attributes that the index carries. An index follows its table a
        moment later, always."""
        access = index_access(self._mapping, self._plan(item_type), index)
        query = self._query(access, {**columns, **more}, begins, between, reverse=reverse)
        return self._page(item_type, query, page_size, cursor, consistent=False)

    def _plan(self, item_type: str) -> ItemPlan:
        plan = self._plans.get(item_type)
        if plan is None:
            raise UsageError(
                f"no item type `{item_type}` in {self._mapping.migration}; there: {', '.join(self._plans)}"
            )
        return plan

    def _query(
        self,
        access: Access,
        given: Mapping[str, object],
        begins: Mapping[str, str],
        between: Mapping[str, Sequence[object]],
        *,
        reverse: bool,
    ) -> _Query:
        partition = access.keys[0]
        require_columns(partition.item_type, given, partition.columns, access.columns)
        fixed = {partition.name: partition.of(given)}
        conditions, names, values = ["#p = :p"], {"#p": partition.name}, {":p": fixed[partition.name]}
        if len(access.keys) > 1:
            stretch = sort_range(access.keys[1], given, begins, between)
            if stretch is not None:
                conditions.append(stretch.expression("#s"))
                names["#s"] = access.keys[1].name
                values |= {f":s{n}": value for n, value in enumerate(stretch.values)}
        elif begins or between:
            raise UsageError(f"{partition.item_type}: there is no sort key here for `begins` and `between`")
        request: dict[str, Any] = {
            "TableName": access.table,
            "KeyConditionExpression": " AND ".join(conditions),
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
            "ScanIndexForward": not reverse,
        }
        return _Query(access, request if access.index is None else request | {"IndexName": access.index}, fixed)

    def _page(self, item_type: str, query: _Query, size: int, cursor: str | None, *, consistent: bool) -> Page:
        if not isinstance(size, int) or isinstance(size, bool) or not 1 <= size <= MOST_A_PAGE:
            raise UsageError(f"`page_size` is a whole number from 1 to {MOST_A_PAGE}")
        access = query.access
        start = None if cursor is None else from_cursor(query.request, cursor, access.cursor_shape, query.fixed)
        found: list[dict[str, Any]] = []
        limit = size + 1  # one more tells whether there is a next page
        while True:
            request = query.request | {"Limit": limit, "ConsistentRead": consistent}
            if start is not None:
                request["ExclusiveStartKey"] = start
            with target_errors(self._client, "Query", access.table):
                answer: Mapping[str, Any] = self._client.query(**request)
            found += [item for item in answer["Items"] if self._is_live(item_type, access, item)]
            start = answer.get("LastEvaluatedKey")
            if len(found) > size or start is None:
                break
            limit = min(limit * 2, MOST_A_PAGE)  # what was hidden may be followed by more of it
        items = tuple(shown(item) for item in found[:size])
        if len(found) <= size:
            return Page(items)
        last = found[size - 1]
        return Page(items, to_cursor(query.request, {name: last[name] for name in access.cursor_shape}))

    def _is_live(self, item_type: str, access: Access, item: Mapping[str, Any]) -> bool:
        key = {name: item[name] for name in access.table_keys}
        return DELETED_ATTRIBUTE not in item and self._matcher.item_type(access.table, key) == item_type
