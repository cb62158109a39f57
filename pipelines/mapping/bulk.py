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
from dataclasses import replace
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812

from pipelines.items.problem_spark import no_problem, problem_when
from pipelines.items.reject import RejectReason
from pipelines.items.size import MAX_ITEM_BYTES
from pipelines.mapping.bulk_embeds import embedded_frame
from pipelines.mapping.bulk_frame import FreshNames, SourceTables
from pipelines.mapping.bulk_keys import key_attributes, key_text, source_key_text, whole_item
from pipelines.mapping.plan import ColumnValue, ItemPlan, RowPlan, TemplateValue

PROBLEM_COLUMNS = ("reason", "attribute", "detail")
RECORD_COLUMNS = ("item_type", "table", "key", "source_key", "bucket", "item", "version", "digest", "size")


def item_rows(item: ItemPlan, tables: SourceTables, duplicates: DataFrame | None, buckets: int) -> DataFrame:
    """One row per root row that passes `where`: RECORD_COLUMNS, PROBLEM_COLUMNS and `key_hash`.

    Where `reason` is null it is a record. Else it is a reject: `item` and `digest` are null, `key` too where the
    key itself could not be built, `size` unless the item is too large, and `bucket` is the source key's.
    `key_hash` is a hash of (table, key), null with the key. `duplicates`: what `keys_claimed_twice` found; None
    where it was not asked.
    """
    frame = embedded_frame(item.root, tables, FreshNames(), depth=0)
    key = key_attributes(item, frame)
    whole = whole_item(item, frame, key)
    built = frame.rows.select(
        F.lit(item.table).alias("table"),
        key_text(key).alias("key"),
        source_key_text(item, frame).alias("source_key"),
        whole.fragment.alias("item"),
        whole.size.alias("size"),
        (no_problem() if whole.problem is None else whole.problem).alias("problem"),
    )
    return _judged(built, duplicates).select(
        F.lit(item.name).alias("item_type"),
        "table",
        "key",
        "source_key",
        F.pmod(F.xxhash64(F.coalesce("key", "source_key")), F.lit(buckets)).cast("int").alias("bucket"),
        F.when(F.col("problem").isNull(), F.col("item")).alias("item"),
        F.lit(0).cast("long").alias("version"),
        F.when(F.col("problem").isNull(), F.unhex(F.sha2("item", 256))).alias("digest"),
        F.when(F.col("problem").isNull() | (F.col("problem")["reason"] == RejectReason.ITEM_TOO_LARGE), F.col("size"))
        .cast("long")
        .alias("size"),
        *(F.col("problem")[name].alias(name) for name in PROBLEM_COLUMNS),
        F.when(F.col("key").isNotNull(), F.xxhash64("table", "key")).alias("key_hash"),
    )


def keys_claimed_twice(items: Sequence[ItemPlan], tables: SourceTables) -> DataFrame:
    """(dup_table, dup_key) of keys that several root rows claim, across item types; rejected rows claim theirs too."""
    claims = reduce(DataFrame.union, [_claimed_keys(item, tables) for item in items])
    return claims.groupBy("dup_table", "dup_key").count().where("count > 1").drop("count")


def _claimed_keys(item: ItemPlan, tables: SourceTables) -> DataFrame:
    """Reads only what keys are made of."""
    frame = embedded_frame(_for_keys(item), tables, FreshNames(), depth=0)
    key = key_text(key_attributes(item, frame))
    return frame.rows.select(F.lit(item.table).alias("dup_table"), key.alias("dup_key")).dropna()


def _judged(built: DataFrame, duplicates: DataFrame | None) -> DataFrame:
    """`problem` completed: a key claimed twice comes before the attributes' problems, the item's size after."""
    detail = F.concat(F.col("size").cast("string"), F.lit(f" bytes, {MAX_ITEM_BYTES} at most"))
    too_large = problem_when(F.col("size") > MAX_ITEM_BYTES, RejectReason.ITEM_TOO_LARGE, detail)
    if duplicates is None:
        return built.withColumn("problem", F.coalesce("problem", too_large))
    same = (F.col("table") == F.col("dup_table")) & (F.col("key") == F.col("dup_key"))
    twice = problem_when(F.col("dup_key").isNotNull(), RejectReason.DUPLICATE_KEY, F.lit("several rows claim this key"))
    marked = built.join(duplicates, same, "left")
    return marked.withColumn("problem", F.coalesce(twice, "problem", too_large))


def _for_keys(item: ItemPlan) -> RowPlan:
    """The root with only the embeds that lead to a column of the key."""
    return _pruned(item.root, {path for key in item.key for path in _paths(key.value)})


def _paths(value: ColumnValue | TemplateValue) -> set[tuple[str, ...]]:
    if isinstance(value, ColumnValue):
        return {value.path}
    return {placeholder.path for placeholder in value.template.placeholders}


def _pruned(row: RowPlan, paths: set[tuple[str, ...]]) -> RowPlan:
    wanted = {path[0] for path in paths if path}
    embeds = tuple(
        replace(embed, hidden=True, row=_pruned(embed.row, {p[1:] for p in paths if p and p[0] == embed.name}))
        for embed in row.embeds
        if embed.name in wanted
    )
    return replace(row, attributes=(), embeds=embeds)
