"""Runs the suites with Great Expectations and builds its data docs.

The context is ephemeral: nothing of it outlives the run but the pages. No analytics, no progress bars, no site of
its own in a temporary folder.
"""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from expectations.report_data import ReportData
from pipelines.errors import AccountsError, StageError

if TYPE_CHECKING:
    from great_expectations.checkpoint.checkpoint import CheckpointResult
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult
    from great_expectations.data_context.data_context.ephemeral_data_context import EphemeralDataContext

    from expectations.suites import Check

SITE = "crossover"
_BOUNDS = ("min_value", "max_value", "value")


@dataclass(frozen=True)
class ExpectationResult:
    """`subject`: the column, the item type, or "table". `expected`: the expectation's type and bounds in words."""

    subject: str
    expected: str
    guards: str
    met: bool


@dataclass(frozen=True)
class SuiteResult:
    """`page` is the result's page, relative to the site's folder."""

    suite: str
    expectations: tuple[ExpectationResult, ...]
    page: str

    @property
    def met(self) -> int:
        return sum(one.met for one in self.expectations)

    @property
    def success(self) -> bool:
        return self.met == len(self.expectations)


def validate(data: ReportData, rejected_at_most: int, site: Path) -> tuple[SuiteResult, ...]:
    """Judges the report a second time and writes the pages of the data docs into `site`.

    Raises AccountsError where an account does not balance, StageError where an expectation could not be
    evaluated, or where Great Expectations and the diff disagree on the verdict.
    """
    checks_of = _import_suites()
    context = _context(site)
    results = tuple(_run(context, data, check) for check in checks_of(data, rejected_at_most))
    _compare(data, results)
    return results


def _import_suites() -> Callable[[ReportData, int], tuple[Check, ...]]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read when great_expectations is imported
    with warnings.catch_warnings(), _with_a_file():
        warnings.filterwarnings("ignore", r"module 'sre_\w+' is deprecated", DeprecationWarning)
        from expectations.suites import checks_of
    return checks_of


@contextlib.contextmanager
def _with_a_file() -> Iterator[None]:
    """A program without a file, as each worker of Dagster's is (`python -c`), is one of its own doctests to pyspark,
    which then exits with 0 while it is imported."""
    main = sys.modules["__main__"]
    if hasattr(main, "__file__"):
        yield
        return
    main.__file__ = sys.executable
    try:
        yield
    finally:
        del main.__file__


def _run(context: EphemeralDataContext, data: ReportData, check: Check) -> SuiteResult:
    import great_expectations as gx
    from great_expectations.checkpoint.actions import UpdateDataDocsAction

    batch = (
        context.data_sources.add_pandas(check.name)
        .add_dataframe_asset(check.name)
        .add_batch_definition_whole_dataframe("report")
    )
    definition = context.validation_definitions.add(
        gx.ValidationDefinition(name=check.name, data=batch, suite=context.suites.add(check.suite))
    )
    checkpoint = gx.Checkpoint(
        name=check.name,
        validation_definitions=[definition],
        actions=[UpdateDataDocsAction(name="data docs", site_names=[SITE])],
        result_format="SUMMARY",
    )
    outcome = context.checkpoints.add(checkpoint).run(
        batch_parameters={"dataframe": check.table},
        run_id=gx.RunIdentifier(f"{data.migration}-{data.run_id}", data.stages[-1].finished_at),
    )
    return _result(check.name, outcome)


def _result(name: str, outcome: CheckpointResult) -> SuiteResult:
    ((identifier, result),) = outcome.run_results.items()
    if any(one.exception_info.get("raised_exception", True) for one in result.results):
        raise StageError(
            f"suite {name}: an expectation could not be evaluated; great-expectations may be of another version "
            "than Crossover wants: install Crossover again"
        )
    parts: tuple[str, ...] = identifier.to_tuple()  # type: ignore[no-untyped-call]
    page = "/".join(["validations", *parts]) + ".html"
    return SuiteResult(name, tuple(_expectation(one) for one in result.results), page)


def _expectation(one: ExpectationValidationResult) -> ExpectationResult:
    config = one.expectation_config
    assert config is not None
    expected = config.type.removeprefix("expect_").replace("_", " ")
    bounds = [f"{name.removesuffix('_value')} {config.kwargs[name]:g}" for name in _BOUNDS if name in config.kwargs]
    return ExpectationResult(
        subject=config.kwargs.get("column", config.kwargs.get("item_type", "table")) or "no item type",
        expected=", ".join([expected, *bounds]),
        guards=str(config.notes),
        met=bool(one.success),
    )


def _compare(data: ReportData, results: tuple[SuiteResult, ...]) -> None:
    verdicts, accounts, differences = results
    unbalanced = [account.where for account in data.accounts if not account.balanced]
    if unbalanced or not accounts.success:
        raise AccountsError(f"run {data.run_id}: accounts do not balance: {'; '.join(unbalanced) or 'no accounts'}")
    if verdicts.success != data.consistent:
        raise StageError(
            f"run {data.run_id}: the diff says {_word(data.consistent)}, Great Expectations {_word(verdicts.success)}; "
            "if the mapping's thresholds changed since, run `crossover diff` again; else keep the warehouse and "
            "report it as a defect"
        )
    if not differences.success:
        raise StageError(f"run {data.run_id}: its differences are not what they should be; run `crossover diff` again")


def _word(consistent: bool) -> str:
    return "consistent" if consistent else "not consistent"


def _context(site: Path) -> EphemeralDataContext:
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False),
        data_docs_sites={
            SITE: {
                "class_name": "SiteBuilder",
                "show_how_to_buttons": False,
                "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(site)},
                "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
            }
        },
        analytics_enabled=False,
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return gx.get_context(mode="ephemeral", project_config=config)
