"""The table of docs/types.md, as it stands there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).parents[1] / "docs" / "types.md"

WORDS: Final = {
    "an enum": ("mood",),
    "a composite": ("pair", "couple"),
    "a table's row": ("shelf",),
    "a range of your own": ("floats",),
    "of enums": ("mood[]",),
    "of domains": ("price[]", "low_price[]", "handle[]", "born[]"),
    "of composites": ("pair[]", "couple[]", "shelf[]"),
    "of your own ranges": ("floats[]",),
    "a domain over an array": ("tags",),
    "of domains over arrays": ("tags[]", "grid"),
    "a domain": ("price", "low_price", "handle", "born"),
}
"""Types that have no name of PostgreSQL's: what they are called in tests/type_samples.py."""

BASES: Final = {"price": "numeric(12,2)", "low_price": "numeric(12,2)", "handle": "citext", "born": "date"}
BASES_OF_ARRAYS: Final = {f"{domain}[]": f"{base}[]" for domain, base in BASES.items()}


@dataclass(frozen=True)
class Answer:
    """`default` is None where the mapping must say what it wants."""

    default: str | None
    also: frozenset[str]
    rejects: frozenset[str]

    @property
    def encodings(self) -> frozenset[str]:
        return self.also | ({self.default} if self.default else frozenset())


def answers() -> dict[str, Answer]:
    """By type; a domain has its base's."""
    found: dict[str, Answer] = {}
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.replace(r"\|", "¦").strip("|").split("|")]
        if line.startswith("| ") and len(cells) == 5 and cells[0] != "type":
            types, default, also, rejects, _ = cells
            answer = Answer(
                None if default == "none" else default,
                frozenset(also.split()),
                frozenset(re.findall("`(.*?)`", rejects)),
            )
            found |= dict.fromkeys(_types(types), answer)
    return found | {domain: found[base] for domain, base in (BASES | BASES_OF_ARRAYS).items()}


def _types(cell: str) -> list[str]:
    named = re.findall("`(.*?)`", cell)
    words = [word.strip() for word in re.sub("`.*?`", ",", cell).split(",") if word.strip()]
    return [*named, *(type for word in words for type in WORDS[word])]
