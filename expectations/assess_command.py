"""`crossover assess`: the stage, and the page over what it found."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipelines.assess.assess import Assessment
    from pipelines.warehouse.place import Place


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "url",
        metavar="URL",
        nargs="?",
        help="the source database, postgresql://user@host:port/database; CROSSOVER_SOURCE_URL unless given",
    )
    parser.add_argument(
        "--schema",
        metavar="S",
        action="append",
        help="schema whose tables are assessed, public unless given; once for each",
    )
    parser.add_argument(
        "--queries",
        metavar="FILE",
        type=Path,
        help="a file of SQL, or a log of PostgreSQL's (csvlog, stderr), instead of pg_stat_statements",
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        required=True,
        help="folder, or s3://bucket/prefix, for report.html, its JSON files and the draft of a mapping",
    )
    parser.add_argument(
        "--mapping",
        metavar="FILE",
        action="append",
        type=Path,
        help="a mapping to be judged beside the draft; once for each",
    )
    parser.add_argument(
        "--no-sample", action="store_true", help="read no row: no sizes and no costs, and less load on the database"
    )
    parser.add_argument(
        "--region", metavar="R", help="whose prices the estimates take: AWS_REGION unless given, else us-east-1"
    )
    parser.add_argument(
        "--prices", metavar="FILE", type=Path, help="prices of your own, in the form of pipelines/target/prices.yaml"
    )
    parser.add_argument(
        "--since", metavar="FILE", help="evidence.json of an earlier run, to tell growth; that in DIR unless given"
    )


def _assess(arguments: argparse.Namespace) -> CommandResult:
    from expectations.assessment.write import write_page
    from pipelines.assess.assess import assess
    from pipelines.assess.summary import summary
    from pipelines.settings import SOURCE_URL, required
    from pipelines.source.connect import check_url
    from pipelines.target.prices import published_prices, read_prices, tag_of
    from pipelines.warehouse.place import Place

    prices = read_prices(arguments.prices) if arguments.prices is not None else published_prices()
    tag = tag_of(prices, arguments.region)
    url = arguments.url or required(SOURCE_URL, "the source database, or give its URL: crossover assess postgresql://…")
    check_url(url, "URL" if arguments.url else SOURCE_URL)
    out = Place.of(arguments.out)
    found = assess(
        url,
        arguments.schema or ["public"],
        out,
        arguments.queries,
        Place.of(arguments.since) if arguments.since is not None else None,
        arguments.mapping or (),
        tag,
        sampled=not arguments.no_sample,
    )
    page = write_page(out, found)
    lines = [*summary(found.evidence, found.patterns, found.design), "", f"report: {page}"]
    return CommandResult(_document(found, out, page), lines)


def _document(found: Assessment, out: Place, page: Place) -> dict[str, JsonValue]:
    from pipelines.assess.folder import DESIGN, EVIDENCE, PATTERNS
    from pipelines.assess.summary import rows_of

    evidence, patterns = found.evidence, found.patterns
    return {
        "source": evidence.source,
        "schemas": list(evidence.schemas),
        "tables": len(evidence.tables),
        "rows": rows_of(evidence.tables),
        "bytes": sum(one.bytes for one in evidence.tables),
        "statements_from": evidence.statements.source.value,
        "statements": patterns.statements,
        "patterns": len(patterns.patterns),
        "classes": {pattern.value: count for pattern, count in patterns.classes.items()},
        "evidence": str(out / EVIDENCE),
        "patterns_file": str(out / PATTERNS),
        "design": str(out / DESIGN),
        "report": str(page),
        "notes": [
            *evidence.notes,
            *evidence.statements.notes,
            *found.design.notes,
        ],
    }


assess = Command("assess", "read a database's own evidence: tables, keys, statistics, statements", _arguments, _assess)
