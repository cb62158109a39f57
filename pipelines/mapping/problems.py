"""All that is wrong with a mapping, collected, so that one run of `check` names everything."""

from __future__ import annotations

from pipelines.errors import MappingError
from pipelines.mapping.origin import Origin, Path


class Problems:
    """Problems by their place in the file."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._found: dict[tuple[Path, str], None] = {}

    def add(self, path: Path, message: str) -> None:
        self._found.setdefault((path, message))

    def __bool__(self) -> bool:
        return bool(self._found)

    def raise_any(self) -> None:
        """Raises MappingError where there are any, in the order of the file's lines."""
        if self._found:
            in_order = sorted(self._found, key=lambda problem: self._origin.line(problem[0]) or 0)
            lines = [self._origin.problem(path, message) for path, message in in_order]
            raise MappingError(lines, [path for path, _ in in_order])
