"""The equations that must hold between what the stages counted: nothing may vanish on the way."""

from __future__ import annotations

from expectations.display import visible
from expectations.report_data import Account, Term
from pipelines.warehouse.manifest import BackfillManifest, DiffManifest, DumpManifest, ItemTypeCounts, RecordsManifest


def accounts_of(
    records: RecordsManifest, backfill: BackfillManifest | None, dump: DumpManifest, diff: DiffManifest
) -> tuple[Account, ...]:
    """`backfill` is None where the target was filled otherwise."""
    return (
        *accounts_of_records(records),
        *([] if backfill is None else [account_of_backfill(backfill)]),
        account_of_dump(dump),
        *accounts_of_diff(records, dump, diff),
    )


def accounts_of_records(records: RecordsManifest) -> tuple[Account, ...]:
    counts = records.item_types.items()
    return (
        *(account for name, one in counts for account in _of_item_type(name, one)),
        Account(
            "records", Term("records", records.records), tuple(Term(visible(name), one.records) for name, one in counts)
        ),
        Account(
            "rejects", Term("rejects", records.rejects), tuple(Term(visible(name), one.rejects) for name, one in counts)
        ),
        Account(
            "rejects by reason",
            Term("rejects", records.rejects),
            tuple(Term(reason, count) for reason, count in records.reject_reasons.items()),
        ),
    )


def _of_item_type(name: str, counts: ItemTypeCounts) -> list[Account]:
    root = Account(
        f"{visible(name)}: rows of the root table",
        Term("rows", counts.rows),
        (Term("records", counts.records), Term("filtered", counts.filtered), Term("rejects", counts.rejects)),
    )
    embeds = [
        Account(
            f"{visible(name)}.{visible(path)}: rows of the embedded table",
            Term("rows", embed.rows),
            (
                Term("embedded", embed.embedded),
                Term("filtered", embed.filtered),
                Term("beyond limit", embed.beyond_limit),
                Term("orphans", embed.orphans),
            ),
        )
        for path, embed in counts.embeds.items()
    ]
    return [root, *embeds]


def account_of_backfill(backfill: BackfillManifest) -> Account:
    return Account(
        f"backfill {backfill.id}",
        Term("records", backfill.records),
        (
            Term("written", backfill.written),
            Term("superseded", backfill.superseded),
            Term("conflicts", backfill.conflicts),
            Term("failed", backfill.failed),
        ),
    )


def account_of_dump(dump: DumpManifest) -> Account:
    return Account(
        "items read from DynamoDB",
        Term("items", dump.items),
        tuple(Term(table, count) for table, count in dump.tables.items()),
    )


def accounts_of_diff(records: RecordsManifest, dump: DumpManifest, diff: DiffManifest) -> tuple[Account, ...]:
    """`records`, `dump`: those that were compared."""
    return (*([] if diff.coverage < 1 else _of_sides(records, dump, diff)), *_of_diff(diff))


def _of_sides(records: RecordsManifest, dump: DumpManifest, diff: DiffManifest) -> list[Account]:
    """What was made for the diff is what the diff read; only where it read every bucket."""
    return [
        Account("records that were compared", Term("records", records.records), (Term("read", diff.source_records),)),
        Account("items that were compared", Term("items", dump.items), (Term("read", diff.target_items),)),
    ]


def _of_diff(diff: DiffManifest) -> list[Account]:
    counted = [(name, count) for name, count in diff.verdicts.model_dump().items() if count]
    return [
        Account("source ∪ target", Term("items", diff.union), tuple(Term(name, count) for name, count in counted)),
        Account(
            "source ∪ target by item type",
            Term("items", diff.union),
            tuple(Term(visible(name) or "no item type", one.total()) for name, one in diff.item_types.items()),
        ),
        Account(
            "differences kept",
            Term("not equal", diff.union - diff.verdicts.match),
            (Term("differences", diff.differences),),
        ),
    ]
