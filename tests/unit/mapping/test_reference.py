"""docs/mapping.md against the model: every key, every type pair, every reason; and every example parses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from pipelines.items.reject import RejectReason
from pipelines.items.source_type import Encoding
from pipelines.mapping import checks_model, model, target_model
from pipelines.mapping.load import load_mapping, parse_mapping

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[3]
REFERENCE = (REPOSITORY / "docs" / "mapping.md").read_text(encoding="utf-8")


def models() -> Iterator[type[BaseModel]]:
    for module in (model, target_model, checks_model):
        for found in vars(module).values():
            if isinstance(found, type) and issubclass(found, target_model.Model):
                yield found


KEYS = sorted({field.alias or name for found in models() for name, field in found.model_fields.items()})


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_documented(key: str) -> None:
    assert re.search(rf"`{key}`|\b{key}:", REFERENCE)


def section(title: str) -> str:
    return REFERENCE.split(f"## {title}\n")[1].split("\n## ")[0]


def first_cells(text: str) -> list[str]:
    return [line.split("|")[1].strip(" `") for line in text.splitlines() if line.startswith("| `")]


def test_the_table_of_items_and_embeds_says_which_key_goes_where() -> None:
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:4]]
        for line in section("Items and embeds").splitlines()
        if line.startswith("| `")
    ]
    written = {name: (item, embed) for name, item, embed in rows}
    of_item = {field.alias or name for name, field in model.Item.model_fields.items()}
    of_embed = {field.alias or name for name, field in model.Embed.model_fields.items()}
    expected = {name: ("✓" if name in of_item else "", "✓" if name in of_embed else "") for name in of_item | of_embed}
    assert written == expected


def test_every_reason_is_documented() -> None:
    assert first_cells(section("Rejects")) == [str(reason) for reason in RejectReason]


def test_every_word_of_types_is_explained() -> None:
    words = set(re.findall(r"`(\w+)`", " ".join(first_cells(section("Types")))))
    words |= set(first_cells(section("Types")))
    explained = " ".join(words)
    for encoding in Encoding:
        assert encoding is Encoding.LIST or re.search(rf"\b{encoding}\b", explained)


BLOCKS = re.findall(r"^```yaml\n(.*?)^```", REFERENCE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_example_parses(number: int) -> None:
    parse_mapping(BLOCKS[number], f"block-{number}.yaml")


def test_there_are_examples() -> None:
    assert len(BLOCKS) >= 3
    load_mapping(REPOSITORY / "examples" / "shop" / "shop.yaml")
