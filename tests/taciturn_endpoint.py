"""A DynamoDB endpoint that refuses a conditional put without telling what is there, as some stand-ins do."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from tests import http_front


@contextlib.contextmanager
def taciturn_endpoint(upstream: str) -> Iterator[str]:
    """Gives the URL."""
    with http_front.serving(partial(_Handler, upstream)) as url:
        yield url


class _Handler(http_front.FrontHandler):
    def __init__(self, upstream: str, *arguments: Any) -> None:
        self.upstream = upstream
        super().__init__(*arguments)

    def respond(self, body: bytes) -> None:
        document = json.loads(body)
        document.pop("ReturnValuesOnConditionCheckFailure", None)
        self.answer(*http_front.forward(self.upstream, json.dumps(document).encode(), dict(self.headers)))
