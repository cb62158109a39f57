"""One row's map: which columns it emits, what `set`, `rename` and the embeds add, and that no name is taken twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.items.canonical import MAX_NAME_BYTES
from pipelines.mapping.catalog import Column
from pipelines.mapping.compile_template import Templates
from pipelines.mapping.origin import Path
from pipelines.mapping.plan import Attribute, ColumnValue, EmbedValue, Nulls, Value
from pipelines.mapping.problems import Problems
from pipelines.mapping.scope import Scope, allowed_encodings, needs_a_type


@dataclass(frozen=True)
class Claim:
    """An attribute's name, claimed by one origin."""

    name: str
    origin: str  # "column `email`"
    path: Path
    value: Value | None  # None where its own problem is reported already
    nulls: Nulls = Nulls.ABSENT


@dataclass(frozen=True)
class Rows:
    problems: Problems

    def attributes(self, scope: Scope, taken: dict[str, str]) -> tuple[Attribute, ...]:
        """Sorted by name. `taken`: names with an origin already, the key's."""
        claimed = dict(taken)
        attributes: list[Attribute] = []
        self._check_names(scope)
        for claim in [*self._columns(scope), *self._set(scope), *self._embeds(scope)]:
            self._check_claim(claim, claimed)
            if claim.value is not None:
                attributes.append(Attribute(claim.name, claim.value, claim.nulls))
        return tuple(sorted(attributes, key=lambda attribute: attribute.name))

    def _check_claim(self, claim: Claim, claimed: dict[str, str]) -> None:
        if claim.name in claimed:
            self.problems.add(
                claim.path,
                f"the attribute `{claim.name}` comes from {claimed[claim.name]} and from {claim.origin}; "
                "exclude or rename one",
            )
        if len(claim.name.encode()) > MAX_NAME_BYTES:
            self.problems.add(claim.path, f"an attribute's name over {MAX_NAME_BYTES:,} bytes; rename it")
        claimed.setdefault(claim.name, claim.origin)

    def _columns(self, scope: Scope) -> Iterator[Claim]:
        if not scope.emits_columns:
            return
        for column in scope.table.columns:
            if emitted(scope, column.name):
                scope.use(column.name)
                yield self._column(scope, column)

    def _column(self, scope: Scope, column: Column) -> Claim:
        renamed = column.name in scope.body.rename
        path = (*scope.path, "rename", column.name) if renamed else scope.path
        if needs_a_type(column.type) and column.name not in scope.types:
            self.problems.add(
                scope.path,
                f"`{column.name}` has the type {column.type.name}, which Crossover does not know; "
                f"exclude it, or say what it becomes in `types` ({allowed_encodings(column.type)})",
            )
        name = scope.body.rename.get(column.name, column.name)
        value = ColumnValue(column.name, column.type, scope.encoding(column))
        return Claim(name, f"column `{column.name}`", path, value, scope.nulls)

    def _set(self, scope: Scope) -> Iterator[Claim]:
        for name, constant in scope.body.set_.items():
            path = (*scope.path, "set", name)
            value = Templates(self.problems).constant(scope, constant, path)
            yield Claim(name, f"`set.{name}`", path, value)

    def _embeds(self, scope: Scope) -> Iterator[Claim]:
        for name, embed in scope.body.embed.items():
            if not embed.hidden and scope.emits_columns:
                value = EmbedValue(name) if name in scope.children else None
                yield Claim(name, f"embed `{name}`", (*scope.path, "embed", name), value)

    def _check_names(self, scope: Scope) -> None:
        """`include`, `exclude` and `rename` name columns that are there, and that they can have an effect on."""
        body = scope.body
        if body.include is not None and body.exclude:
            self.problems.add((*scope.path, "exclude"), "given beside `include`, which excludes the rest; keep one")
        for key, names in (("include", body.include or ()), ("exclude", body.exclude)):
            for n, name in enumerate(names):
                if scope.table.column(name) is None:
                    self.problems.add((*scope.path, key, n), scope.unknown_column(name))
        for name in body.rename:
            if scope.table.column(name) is None:
                self.problems.add((*scope.path, "rename", name), scope.unknown_column(name))
            elif not emitted(scope, name):
                self.problems.add((*scope.path, "rename", name), f"`{name}` is not emitted; include it")


def emitted(scope: Scope, column: str) -> bool:
    body = scope.body
    return column in body.include if body.include is not None else column not in body.exclude
