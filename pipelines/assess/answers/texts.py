"""What a key can tell of texts, which it compares by their bytes and PostgreSQL by a collation."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from pipelines.assess.schema import Facts
from pipelines.items.source_type import Kind

_FORM = re.compile(r"(lower|upper)\((.*)\)", re.DOTALL)


def column_of(key: str) -> tuple[str, str | None]:
    """`lower(email)` → the column and its form."""
    match = _FORM.fullmatch(key)
    return (match[2], match[1]) if match is not None else (key, None)


def folded(key: str, facts: Facts) -> str:
    """In the form by which a place tells it: texts that are equal in either case in lower case. What a nondeterministic
    collation finds equal no place tells."""
    name, form = column_of(key)
    column, collation = facts.table.column(name), facts.collation(name)
    if collation is not None and not collation.deterministic:
        return f"{key} COLLATE {collation.name}"
    return f"lower({key})" if form is None and column is not None and not column.type.exact else key


def can_begin(facts: Facts, name: str) -> bool:
    """Whether `LIKE 'x%'` is by bytes: in every collation in which equality is."""
    column, collation = facts.table.column(name), facts.collation(name)
    is_exact = column is not None and column.type.exact and column.type.kind in (Kind.TEXT, Kind.CHAR)
    return is_exact and (collation is None or collation.deterministic)


def unequal(facts: Facts, keys: Iterable[str]) -> Iterator[str]:
    """Why no key finds what these are equal to, and what to do."""
    for name in dict.fromkeys(column_of(key)[0] for key in keys):
        collation = facts.collation(name)
        if collation is not None and not collation.deterministic:
            yield (
                f"{name} is compared by collation {collation.name}, in which texts are equal whose bytes are not: add "
                "a generated column of one form of it, and ask for that"
            )


def unsorted(facts: Facts, names: Iterable[str]) -> Iterator[str]:
    """Why no key has these in order, and what to do."""
    for name in dict.fromkeys(names):
        collation, column = facts.collation(name), facts.table.column(name)
        if collation is None or column is None:
            continue
        if collation.deterministic and not column.type.exact:
            yield f"{name} sorts without case, a key by bytes: sort in the application"
        else:
            yield (
                f"{name} sorts by collation {collation.name}, a key by bytes: sort in the application, or declare it "
                'COLLATE "C" if its order does not matter to people'
            )
