"""The word that a job asks for before it changes or removes something."""

from pipelines.errors import UsageError

HOW = "the migration's name, which says that you mean it; needed with "


def require_confirmation(migration: str, confirm: str, field: str) -> None:
    """`field` is the one that asked for the change. Raises UsageError unless `confirm` is the migration's name."""
    if confirm != migration:
        raise UsageError(f"{field}: nothing was done; write the migration's name into `confirm`, {migration}")
