"""Why a row cannot become an item: a closed set of reasons.

A row that cannot be represented exactly is rejected, counted and kept beside the records; it is never
rounded, cut or dropped. Limits are DynamoDB's:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
"""

from __future__ import annotations

from enum import StrEnum


class RejectReason(StrEnum):
    """The values stand in the rejects dataset and in reports; they are part of its format."""

    KEY_NULL_OR_EMPTY = "key_null_or_empty"
    KEY_TOO_LONG = "key_too_long"  # partition key over 2,048 bytes, sort key over 1,024
    INDEX_KEY_TOO_LONG = "index_key_too_long"
    ITEM_TOO_LARGE = "item_too_large"  # over 400 KB with `_v` in it (409,587 bytes without)
    NUMBER_OUT_OF_RANGE = "number_out_of_range"  # over 38 significant digits, or outside 1E-130 .. 9.99E+125
    NOT_A_NUMBER = "not_a_number"  # NaN, an infinity, or text that is no number where N is wanted
    UNREPRESENTABLE_DATE = "unrepresentable_date"  # an infinity, BC, or past the year 9999
    SET_NULL_OR_DUPLICATE = "set_null_or_duplicate"
    NESTED_TOO_DEEP = "nested_too_deep"  # over 32 levels
    ATTRIBUTE_NAME = "attribute_name"  # empty, or over 65,535 bytes
    TEMPLATE_OVERFLOW = "template_overflow"  # more digits than {column:0N} has, or a negative number
    INVALID_TEXT = "invalid_text"  # not valid UTF-8
    INVALID_JSON = "invalid_json"  # text typed `json` that is none, or an object with one name twice
    MAP_WITH_TWO_PARENTS = "map_with_two_parents"  # an `as: map` embed that found two rows
    DUPLICATE_KEY = "duplicate_key"  # two rows claim one key: all of them are rejected
    NO_VERSION = "no_version"  # the mapping's `version` column holds nothing that orders the row's states


class Unrepresentable(ValueError):  # noqa: N818 (a verdict on a value, no failure of the program)
    """A value that DynamoDB cannot hold exactly.

    `detail` explains with lengths and limits, never with the value itself: it may be sensitive.
    """

    def __init__(self, reason: RejectReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
