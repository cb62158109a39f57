"""The bulk form of the compiled mapping: a Spark plan that makes every item of an item type at once.

Must give what the online form (`pipelines.mapping.online`, where the rules stand) gives for the same rows. A row
that cannot become an item keeps its first problem instead.

    bulk_frame    a table's rows under names of our own
    bulk_order    by what rows are joined and sorted
    bulk_map      a row's attributes as fragments, with sizes and problems
    bulk_embeds   embedded rows joined to the rows around them
    bulk_keys     key, index keys, the whole item
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce

from pyspark.sql import DataFrame

from pipelines.items import sql_text as F  # noqa: N812
from pipelines.items.problem_spark import first_problem, no_problem, problem_in, problem_when
from pipelines.items.reject import RejectReason
from pipelines.items.size import MAX_ITEM_BYTES
from pipelines.items.source_type import TEMPORAL
from pipelines.mapping.bulk_embeds import embedded_frame
from pipelines.mapping.bulk_frame import Frame, FreshNames, SourceTables
from pipelines.mapping.bulk_keys import key_attributes, key_text, source_key_text, whole_item
from pipelines.mapping.outcome import NO_SOURCE_KEY, SAME_SOURCE_KEY
from pipelines.mapping.plan import ItemPlan, RowPlan
from pipelines.mapping.row_version import NO_VERSION

PROBLEM_COLUMNS = ("reason", "attribute", "detail")


@dataclass(frozen=True)
class ItemVersions:
    """Of one item type: `known` has (known_key, known_version) of those whose version is not `first`; None where there
    are none such."""

    first: int = 0
    known: DataFrame | None = None


NO_VERSIONS = ItemVersions()
_OWN_VERSION = "own_version"


def item_rows(
    item: ItemPlan,
    tables: SourceTables,
    duplicates: DataFrame | None,
    buckets: int,
    versions: ItemVersions = NO_VERSIONS,
) -> DataFrame:
    """One row per root row that passes `where`: RECORD_SCHEMA's columns, PROBLEM_COLUMNS and `key_hash`.

    Where `reason` is null it is a record. Else it is a reject: `item` and `digest` are null, `key` too where the
    key itself could not be built, `size` unless the item is too large, and `bucket` is the source key's.
    `key_hash` is a hash of (table, key), null with the key. `duplicates`: what `keys_claimed_twice` found; None
    where it was not asked.
    """
    frame = embedded_frame(item.root, tables, FreshNames(), depth=0)
    key = key_attributes(item, frame)
    whole = whole_item(item, frame, key)
    built = F.select(
        frame.rows,
        F.lit(item.table).alias("table"),
        key_text(key).alias("key"),
        source_key_text(item, frame).alias("source_key"),
        whole.fragment.alias("item"),
        whole.size.alias("size"),
        (no_problem() if whole.problem is None else whole.problem.column).alias("problem"),
        *([] if item.version is None else [own_version(frame, item.version).alias(_OWN_VERSION)]),
    )
    if item.source_key_unproved:
        built = _with_source_keys_judged(built)
    good, claimed = F.col("problem").isNull(), F.coalesce(F.col("key"), F.col("source_key"))
    sized = good | (F.col("problem")["reason"] == str(RejectReason.ITEM_TOO_LARGE))
    rows, version = _versioned(_judged(built, duplicates), versions)
    return F.select(
        rows,
        F.lit(item.name).alias("item_type"),
        F.col("table"),
        F.col("key"),
        F.col("source_key"),
        F.call("pmod", F.call("xxhash64", claimed), F.lit(buckets)).cast("int").alias("bucket"),
        F.when(good, F.col("item")).alias("item"),
        version.cast("long").alias("version"),
        F.when(good, F.call("unhex", F.call("sha2", F.col("item"), F.lit(256)))).alias("digest"),
        F.when(sized, F.col("size")).cast("long").alias("size"),
        *(F.col("problem")[name].alias(name) for name in PROBLEM_COLUMNS),
        F.when(F.col("key").isNotNull(), F.call("xxhash64", F.col("table"), F.col("key"))).alias("key_hash"),
    )


def own_version(frame: Frame, column: str) -> F.Column:
    """Null where the row has none; see `row_version`."""
    value = frame.physical(column).value
    if frame.type_of(column).kind in TEMPORAL:
        value = F.call("unix_micros", value.cast("timestamp"))
    return F.when(F.lit(-1) < value, value)


def _versioned(rows: DataFrame, versions: ItemVersions) -> tuple[DataFrame, F.Column]:
    if _OWN_VERSION in rows.columns:
        return rows, F.col(_OWN_VERSION)
    if versions.known is None:
        return rows, F.lit(versions.first)
    same = F.col("source_key") == F.col("known_key")
    joined = rows.join(versions.known, F.condition(same), "left")
    return joined, F.coalesce(F.col("known_version"), F.lit(versions.first))


def keys_claimed_twice(items: Sequence[ItemPlan], tables: SourceTables) -> DataFrame:
    """(dup_table, dup_key) of keys that several root rows claim, across item types; rejected rows claim theirs too."""
    claims = reduce(DataFrame.union, [_claimed_keys(item, tables) for item in items])
    return claims.groupBy("dup_table", "dup_key").count().where("count > 1").drop("count")


def _claimed_keys(item: ItemPlan, tables: SourceTables) -> DataFrame:
    """Reads only what keys are made of."""
    frame = embedded_frame(_for_keys(item), tables, FreshNames(), depth=0)
    key = key_text(key_attributes(item, frame))
    return F.select(frame.rows, F.lit(item.table).alias("dup_table"), key.alias("dup_key")).dropna()


def _judged(built: DataFrame, duplicates: DataFrame | None) -> DataFrame:
    """`problem` completed: a key claimed twice comes before the attributes' problems, the item's size after, and last
    that its row has no version."""
    detail = F.concat(F.col("size").cast("string"), F.lit(f" bytes, {MAX_ITEM_BYTES} at most"))
    too_large = problem_when(F.col("size") > MAX_ITEM_BYTES, RejectReason.ITEM_TOO_LARGE, detail)
    others = [F.col(name) for name in built.columns if name != "problem"]
    found = [problem_in(F.col("problem")), too_large]
    if _OWN_VERSION in built.columns:
        found.append(problem_when(F.col(_OWN_VERSION).isNull(), RejectReason.NO_VERSION, F.lit(NO_VERSION)))
    if duplicates is not None:
        same = (F.col("table") == F.col("dup_table")) & (F.col("key") == F.col("dup_key"))
        built = built.join(duplicates, F.condition(same), "left")
        several = F.lit("several rows claim this key")
        found.insert(0, problem_when(F.col("dup_key").isNotNull(), RejectReason.DUPLICATE_KEY, several))
    problem = first_problem(found)
    assert problem is not None
    return F.select(built, *others, problem.column.alias("problem"))


def _with_source_keys_judged(built: DataFrame) -> DataFrame:
    """Rows that cannot be told apart are problems, before all others, and have no key."""
    source_key = F.col("source_key")
    rows = F.select(built, "*", F.count_in(["source_key"]).alias("rows"))
    unclear = first_problem(
        [
            problem_when(source_key.isNull(), RejectReason.KEY_NULL_OR_EMPTY, F.lit(NO_SOURCE_KEY)),
            problem_when(F.col("rows") > 1, RejectReason.DUPLICATE_KEY, F.lit(SAME_SOURCE_KEY)),
        ]
    )
    assert unclear is not None
    return F.select(
        rows,
        *(F.col(name) for name in built.columns if name not in ("key", "problem")),
        F.when(~unclear.found, F.col("key")).alias("key"),
        F.coalesce(unclear.column, F.col("problem")).alias("problem"),
    )


def _for_keys(item: ItemPlan) -> RowPlan:
    """The root with only the embeds that lead to a column of the key."""
    return _pruned(item.root, {path for key in item.key for path, _ in key.value.columns})


def _pruned(row: RowPlan, paths: set[tuple[str, ...]]) -> RowPlan:
    wanted = {path[0] for path in paths if path}
    embeds = tuple(
        replace(embed, hidden=True, row=_pruned(embed.row, {p[1:] for p in paths if p and p[0] == embed.name}))
        for embed in row.embeds
        if embed.name in wanted
    )
    return replace(row, attributes=(), embeds=embeds)
