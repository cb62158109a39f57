from __future__ import annotations

from pathlib import Path

import pytest

from expectations.differences import SAMPLES_PER_VERDICT
from expectations.gather import gather_report
from expectations.render_html import render_html
from expectations.render_text import render_text
from expectations.samples import PATHS_PER_SAMPLE
from pipelines.errors import StageError, WarehouseError
from pipelines.migration import Migration
from tests.on_disk import on_disk
from tests.unit.expectations.finished_diff import MAPPING, REJECTED, RUN, Difference, FinishedDiff, order_key
from tests.unit.expectations.page import Page

pytestmark = pytest.mark.unit


def mismatch(number: int) -> Difference:
    path = ("status", "value", '{"S":"paid"}', '{"S":"open"}')
    return Difference("mismatch", order_key(number), source_key=f'{{"order_id":"{number}"}}', paths=(path,))


def test_samples_are_bounded_and_in_order_whatever_the_order_on_disk(tmp_path: Path) -> None:
    planted = [mismatch(number) for number in range(100, 130)]
    one = gather_report(FinishedDiff().planted(*planted).write(_folder(tmp_path, "a")), RUN)
    other = gather_report(FinishedDiff().planted(*reversed(planted)).write(_folder(tmp_path, "b")), RUN)
    keys = [sample.key for sample in one.samples if sample.verdict == "mismatch"]
    assert keys == [f'pk="ORDER#{number}" sk="ORDER"' for number in range(100, 100 + SAMPLES_PER_VERDICT)]
    assert one.samples == other.samples
    assert one.differences == 32


def test_counts_are_complete_though_samples_are_not(tmp_path: Path) -> None:
    data = gather_report(FinishedDiff().planted(*map(mismatch, range(100, 130))).write(tmp_path), RUN)
    assert {one.verdict: one.items for one in data.verdicts if one.items} == {
        "mismatch": 30,
        "rejected": 2,
        "match": 9,
    }
    assert [(one.path, one.places) for one in data.path_counts] == [("status", 30)]
    assert data.items == 41


def test_every_account_balances(tmp_path: Path) -> None:
    data = gather_report(FinishedDiff().planted(mismatch(7)).write(tmp_path), RUN)
    assert data.balanced
    assert len(data.accounts) == 13


def test_a_lost_row_unbalances_its_account(tmp_path: Path) -> None:
    data = gather_report(FinishedDiff(balanced=False).write(tmp_path), RUN)
    assert [account.where for account in data.accounts if not account.balanced] == ["order: rows of the root table"]


def test_records_that_the_diff_did_not_read_unbalance_an_account(tmp_path: Path) -> None:
    data = gather_report(FinishedDiff(more={"source_records": 38}).write(tmp_path), RUN)
    assert [account.where for account in data.accounts if not account.balanced] == ["records that were compared"]


def test_it_says_what_was_not_checked(tmp_path: Path) -> None:
    data = gather_report(FinishedDiff(coverage=0.5, tombstones=2).write(tmp_path), RUN)
    assert [one.what for one in data.unchecked] == [
        "50.0% of the keys",
        "Writes under way",
        "2 rejected rows of order",
        "3 filtered rows of order",
        "7 surplus rows of order.lines",
        "3 orphan rows of order.lines",
        "1 column of customers",
        "2 tombstones",
        "Masked values",
    ]


def test_it_says_whose_versions_are_those_of_a_column(tmp_path: Path) -> None:
    more = {"mode": "version", "versioned": ("customer", "order"), "judged_again": 2}
    data = gather_report(FinishedDiff(more=more).write(tmp_path), RUN)
    assert data.unchecked[0].what == "When rows of customer, order were deleted, and their embedded rows changed"
    assert "by the version that each row counts itself" in render_html(data)


def test_it_says_where_the_mapping_asks_for_less_than_equality(tmp_path: Path) -> None:
    rules = "{ignore: [status], unordered: [lines], null_is_absent: [card], tolerance: {order_id: 0.01}}"
    mapping = MAPPING.replace("    from: orders\n", f"    from: orders\n    compare: {rules}\n")
    data = gather_report(FinishedDiff().write(tmp_path, mapping), RUN)
    assert [f"{one.what}. {one.why}" for one in data.unchecked if "mapping's compare" in one.why] == [
        "1 ignored attribute of order. The mapping's compare leaves out status, and all below.",
        "The order of 1 list of order. By the mapping's compare any order will do: lines.",
        "NULL or absent: 1 attribute of order. By the mapping's compare they are the same: card.",
        "Small differences of 1 number of order. The mapping's compare lets them differ: order_id by 0.01.",
    ]


def test_keys_that_show_something_sensitive_are_masked(tmp_path: Path) -> None:
    ada = '{"pk":{"S":"ada@example.com"}}'
    customer = Difference("extra", ada, item_type="customer", table="accounts", source_size=None)
    stray = Difference("unmapped", ada, item_type=None, table="accounts", source_size=None)
    data = gather_report(FinishedDiff().planted(customer, stray).write(tmp_path), RUN)
    assert [sample.key for sample in data.samples if sample.table == "accounts"] == ["•••", "•••"]
    assert "ada@" not in repr(data)


def test_a_reject_without_a_key_is_shown(tmp_path: Path) -> None:
    nameless = Difference("rejected", None, source_key='{"order_id":"40"}', source_size=None, target_size=None)
    data = gather_report(FinishedDiff(differences=(nameless,)).write(tmp_path), RUN)
    assert [sample.key for sample in data.samples] == ["(its key could not be built)"]


def test_a_reject_says_why_it_is_one(tmp_path: Path) -> None:
    """One that became so since the snapshot is in no file of rejects."""
    new = Difference("rejected", order_key(40), source_key='{"order_id":"40"}', source_size=None, target_size=None)
    data = gather_report(FinishedDiff((*REJECTED, new)).write(tmp_path), RUN)
    why = "number_out_of_range at lines.price: 40 digits, 38 allowed"
    assert [sample.reject for sample in data.samples] == [why, "item_too_large", ""]
    assert f"rejected order {data.samples[0].key} from {data.samples[0].source_key}: {why}\n" in render_text(data)
    assert why in Page(render_html(data)).text


def test_without_a_backfill_the_flow_has_no_written(tmp_path: Path) -> None:
    data = gather_report(FinishedDiff(with_backfill=False).write(tmp_path), RUN)
    assert [term.name for term in data.flow] == ["root rows", "records", "in DynamoDB", "compared"]


def test_differences_that_went_lost_are_an_error(tmp_path: Path) -> None:
    migration = FinishedDiff().write(tmp_path)
    (on_disk(migration.folder.diff(RUN)) / "differences" / "bucket=0.parquet").unlink()
    with pytest.raises(StageError, match="1 differences on disk, 2 in the manifest"):
        gather_report(migration, RUN)


def test_another_mapping_is_an_error(tmp_path: Path) -> None:
    FinishedDiff().write(tmp_path)
    (tmp_path / "shop.yaml").write_text(MAPPING.replace("limit: 5", "limit: 6"), encoding="utf-8")
    with pytest.raises(StageError, match="another mapping"):
        gather_report(Migration.open(tmp_path / "shop.yaml", tmp_path / "warehouse"), RUN)


def test_an_unknown_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(WarehouseError, match="no such run"):
        gather_report(FinishedDiff().write(tmp_path), "20200101T000000-000000")


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder


def test_what_the_mapping_accepts_says_by_which_rule(tmp_path: Path) -> None:
    path = ("score", "value", '{"N":"1"}', '{"N":"1.0004"}')
    data = gather_report(
        FinishedDiff(()).planted(Difference("accepted", order_key(7), paths=(path,))).write(tmp_path), RUN
    )
    (sample,) = data.samples
    assert [one.accepted_by for one in sample.paths] == [("tolerance",)]
    assert [one.accepted for one in data.path_counts] == [True]


def test_differences_that_were_not_judged_again_are_not_checked(tmp_path: Path) -> None:
    more = {"judged_again": 2, "not_judged_again": 3, "not_judged_because": "the source is away"}
    data = gather_report(FinishedDiff(more=more).write(tmp_path), RUN)
    told = {one.what: one.why for one in data.unchecked}
    assert told["3 differences not judged again"].endswith("alone: the source is away.")
    assert "Writes under way" not in told
    assert data.judged_again == 2


def test_paths_of_a_sample_are_bounded_and_counted(tmp_path: Path) -> None:
    paths = tuple((f"attribute_{number}", "value", '{"N":"1"}', '{"N":"2"}') for number in range(200))
    planted = Difference("mismatch", order_key(7), paths=paths, more_paths=9)
    (sample,) = gather_report(FinishedDiff(()).planted(planted).write(tmp_path), RUN).samples
    assert len(sample.paths) == PATHS_PER_SAMPLE
    assert len(sample.paths) + sample.more_paths == 209
