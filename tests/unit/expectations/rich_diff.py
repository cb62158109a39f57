"""A diff with one difference of each sort, hostile values among them: what golden reports and pictures are made of."""

from __future__ import annotations

from tests.unit.expectations.finished_diff import Difference, FinishedDiff, order_key

SECRET_KEY = "ada@example.com"
LONG = "lorem ipsum dolor sit amet, " * 40


def _string(text: str) -> str:
    return f'{{"S":"{text}"}}'


RICH = FinishedDiff(tombstones=2).planted(
    Difference(
        "mismatch",
        order_key(6),
        source_key='{"order_id":"6"}',
        paths=(
            ("status", "value", _string("paid"), _string("shipped")),
            ("lines[2].price", "value", '{"N":"19.99"}', '{"N":"20.01"}'),
            ("lines[3].price", "type", '{"N":"5"}', _string("5")),
            ("note", "absent", _string('Zoë said: \\"drop it at nº 9\\"'), None),
        ),
    ),
    Difference(
        "mismatch",
        order_key(7),
        source_key='{"order_id":"7"}',
        paths=(
            ("card", "value", "•••", "•••"),
            ("comment", "value", _string(LONG), _string(f"{LONG[:300]}X{LONG[301:]}")),
            ("address", "absent", '{"M":{"city":{"S":"München"},"geo":{"L":[{"N":"48.1"}]}}}', None),
        ),
        more_paths=3,
    ),
    Difference(
        "mismatch",
        order_key(8),
        source_key='{"order_id":"8"}',
        paths=(
            ("evil", "value", _string("<script>alert(1)</script>"), _string("\u202eabc\\u0007\u200b' \\\"&amp;")),
            ('"<img src=x onerror=alert(2)>"', "value", _string("'\\\"><b>"), _string("{{ 7 * 7 }}")),
            ("a_very_long_name_without_a_break." * 6, "value", _string("x" * 150), _string("y" * 150)),
        ),
    ),
    Difference("missing", order_key(9), source_key='{"order_id":"9"}', target_size=None),
    Difference("extra", order_key(99), source_size=None),
    Difference("extra", order_key(100), source_size=None),
    Difference(
        "missing",
        f'{{"pk":{{"S":"{SECRET_KEY}"}}}}',
        item_type="customer",
        table="accounts",
        source_key=f'{{"email":"{SECRET_KEY}"}}',
        target_size=None,
    ),
    Difference("unmapped", '{"pk":{"S":"<b>WHAT</b>"},"sk":{"S":"IS-THIS"}}', item_type=None, source_size=None),
    Difference("foreign", order_key(12)),
)
