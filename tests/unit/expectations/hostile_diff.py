"""A diff whose keys and attribute names are what nobody would choose, and what a source can hold all the same."""

from __future__ import annotations

import json

from tests.unit.expectations.finished_diff import Difference, FinishedDiff

HTML = "</code></td></table><script>alert('key')</script><!-- "
RIGHT_TO_LEFT = "\u202egnp.exe\u2066אבג\u061cجزء"
CONTROLS = "\x00\x07\x1b[31m\x7f\u0085\u2028\u2029\ufeff\u200b\u00ad\n\t"
LONG = "K" * 2_000
EMOJI = "👩‍👩‍👧‍👦🏳️‍🌈" * 40
COMBINING = "Z" + "\u0351" * 300
TEMPLATE = "{{ 7 * 7 }}{% raw %}$item_type ${x} %s &amp; ]]>"
NAMES = (HTML, RIGHT_TO_LEFT, CONTROLS, LONG, EMOJI, COMBINING, TEMPLATE)


def _key(name: str) -> str:
    return json.dumps({"pk": {"S": name}, "sk": {"S": name}}, ensure_ascii=False)


def _value(text: str) -> str:
    return json.dumps({"S": text}, ensure_ascii=False)


HOSTILE = FinishedDiff(()).planted(
    *(
        Difference(
            "mismatch",
            _key(name),
            source_key=json.dumps({"order_id": name}, ensure_ascii=False),
            paths=((f'"{name}"', "value", _value(name), _value(f"{name}!")), ("plain", "absent", None, _value(name))),
        )
        for name in NAMES
    ),
    *(Difference("unmapped", _key(name), item_type=None, source_size=None) for name in NAMES),
)
