"""One statement's text to its class: every statement gets exactly one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from pipelines.assess.classify.read import classify_query
from pipelines.assess.classify.verdict import Verdict, not_for_dynamodb, outside
from pipelines.assess.classify.write import classify_writes
from pipelines.assess.patterns import Alternative, PatternClass
from pipelines.assess.schema import Schema
from pipelines.assess.statements.parse import Outcome, Parsed, Prepared, Unreadable, Utility
from pipelines.assess.statements.shape import shape
from pipelines.assess.statements.written import writes_of


@dataclass(frozen=True)
class Classified:
    """`text`: the shape, None where it cannot be told without the risk of showing a value."""

    text: str | None
    verdict: Verdict


def classify(schema: Schema, outcome: Outcome) -> Classified:
    match outcome:
        case Unreadable():
            return Classified(None, _unreadable(outcome.why))
        case Prepared():
            return Classified(None, _unreadable("EXECUTE of a statement whose PREPARE is not here"))
        case Utility():
            return Classified(outcome.keyword, outside("a utility statement: it reads and writes no row by itself"))
        case Parsed():
            return _parsed(schema, outcome)


def _parsed(schema: Schema, parsed: Parsed) -> Classified:
    try:
        verdict = _verdict(schema, parsed.tree)
        return Classified(shape(parsed), verdict)
    except RecursionError:
        return Classified(None, _unreadable("nested too deeply"))


def _verdict(schema: Schema, tree: exp.Expr) -> Verdict:
    writes = writes_of(tree)
    if writes:
        return classify_writes(schema, writes, tree)
    if isinstance(tree, exp.Copy):
        return _copied_out(schema, tree)
    if isinstance(tree, exp.Query):
        return classify_query(schema, tree)
    return outside("it reads no table")


def _copied_out(schema: Schema, tree: exp.Copy) -> Verdict:
    query = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    found = classify_query(schema, exp.select("*").from_(query) if isinstance(query, exp.Table) else query)
    if found.pattern is PatternClass.OUTSIDE:
        return found
    return not_for_dynamodb(
        f"COPY of {found.table or 'a query'}: export the table to S3", Alternative.STREAM_OUT, found.table
    )


def _unreadable(why: str) -> Verdict:
    return Verdict(PatternClass.UNREADABLE, why)
