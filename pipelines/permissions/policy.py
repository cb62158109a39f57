"""An IAM policy: what is allowed, on what, and where that can be said under which condition.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import JsonValue

ANYTHING = "*"
"""Of actions that know no resource."""


@dataclass(frozen=True)
class Allow:
    """`sid`: letters and digits, once in a policy. `condition`: operator → key → values."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Mapping[str, str | tuple[str, ...]]] | None = None

    def document(self) -> dict[str, JsonValue]:
        found: dict[str, JsonValue] = {
            "Sid": self.sid,
            "Effect": "Allow",
            "Action": list(self.actions),
            "Resource": list(self.resources),
        }
        if self.condition is not None:
            found["Condition"] = {
                operator: {key: value if isinstance(value, str) else list(value) for key, value in keys.items()}
                for operator, keys in self.condition.items()
            }
        return found


def policy(statements: Sequence[Allow]) -> dict[str, JsonValue]:
    return {"Version": "2012-10-17", "Statement": [one.document() for one in statements]}
