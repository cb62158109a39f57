"""The mapping backwards: a DynamoDB item into rows of its source tables (docs/reverse.md, What can be inverted)."""

from pipelines.mapping.inverse.item_inverse import ItemInverse, inverse_of, inverses_of
from pipelines.mapping.inverse.kept_sql import kept
from pipelines.mapping.inverse.table_rows import Keep, NotInvertible, Owned, TableRows

__all__ = ["ItemInverse", "Keep", "NotInvertible", "Owned", "TableRows", "inverse_of", "inverses_of", "kept"]
