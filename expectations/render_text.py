"""The report for a terminal, 100 columns at most where the data allow it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from expectations.report_data import Account, PathDifference, ReportData, Sample, ShownValue
from expectations.words import KINDS, counted


def render_text(data: ReportData) -> str:
    """Ends with a line break."""
    sections = [
        _head(data),
        _section("Verdicts", _verdicts(data)),
        _section("Item types", _item_types(data)),
        _section("Not checked", [f"{one.what}: {one.why}" for one in data.unchecked]),
        _section("Rejected rows", _table([[term.name, f"{term.count:,}"] for term in data.reject_reasons])),
        _section("Accounts", [_account(account) for account in data.accounts]),
        _section("Where items differ", _path_counts(data)),
        _section(f"Differences, the first {data.samples_per_verdict} of each verdict", _samples(data)),
        _section("Made from", _stages(data)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _head(data: ReportData) -> str:
    return "\n".join(
        [
            f"{data.migration}, run {data.run_id}",
            f"{data.standing.upper()}. {data.summary}",
            *(f"  - {reason}" for reason in data.reasons),
            " → ".join(f"{term.count:,} {term.name}" for term in data.flow),
            *([f"repair: {data.repair_command}"] if data.repair_command else []),
        ]
    )


def _verdicts(data: ReportData) -> list[str]:
    return _table([[one.verdict, f"{one.items:,}", one.words] for one in data.verdicts])


def _item_types(data: ReportData) -> list[str]:
    names = [one.verdict for one in data.verdicts]
    rows = [
        [one.item_type or "(none)", *(f"{count:,}" for count in one.counts), f"{one.items:,}"]
        for one in data.item_types
    ]
    return _table([["", *names, "items"], *rows]) if rows else []


def _account(account: Account) -> str:
    parts = " + ".join(f"{part.count:,} {part.name}" for part in account.parts) or "0"
    mark, sign = ("✓", "=") if account.balanced else ("✗", "≠")
    return f"{mark} {account.where}: {account.total.count:,} {account.total.name} {sign} {parts}"


def _path_counts(data: ReportData) -> list[str]:
    rows = [
        [f"{one.places:,}", one.item_type or "(none)", KINDS[one.kind] + ", accepted" * one.accepted, one.path]
        for one in data.path_counts
    ]
    return [*_table(rows), *([f"and {counted(data.other_places, 'place')} more"] if data.other_places else [])]


def _samples(data: ReportData) -> list[str]:
    lines = [line for sample in data.samples for line in _sample(sample)]
    return [*lines, f"all {data.differences:,} in {data.differences_folder}"] if lines else []


def _sample(sample: Sample) -> list[str]:
    source = f" from {sample.source_key}" if sample.source_key else ""
    paths = [f"  {_path(path)}" for path in sample.paths]
    more = [f"  and {counted(sample.more_paths, 'more attribute')}"] if sample.more_paths else []
    why = f": {sample.reject}" if sample.reject else ""
    return [f"{sample.verdict} {sample.item_type or sample.table} {sample.key}{source}{why}", *paths, *more]


def _path(path: PathDifference) -> str:
    """DynamoDB's types only where they are the difference."""
    typed = path.kind == "type"
    accepted = f" (accepted: {', '.join(path.accepted_by)})" if path.accepted_by else ""
    return f"{path.path}: {_value(path.source, typed)} → {_value(path.target, typed)}{accepted}"


def _value(value: ShownValue | None, typed: bool) -> str:
    if value is None:
        return "(absent)"
    return f"{value.text} {value.type}".rstrip() if typed else value.text


def _stages(data: ReportData) -> list[str]:
    rows = [[one.stage, one.id, f"{one.finished_at:%Y-%m-%d %H:%M:%S} UTC"] for one in data.stages]
    return [
        *_table(rows),
        f"source {data.source}; mapping {data.mapping_hash[:12]}; Crossover {data.crossover}; mode {data.mode}",
    ]


def _section(title: str, lines: Iterable[str]) -> str:
    body = [f"  {line}" for line in lines]
    return "\n".join([title, *body]) if body else ""


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns two spaces apart; numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  ".join(_cell(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cell(cell: str, width: int) -> str:
    return cell.rjust(width) if cell.replace(",", "").isdigit() else cell.ljust(width)
