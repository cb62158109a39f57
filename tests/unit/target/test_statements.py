"""What is concluded from how PartiQL batches are answered."""

from __future__ import annotations

import pytest
from botocore.exceptions import ReadTimeoutError

from pipelines.target.statements import Statements, statements_of
from pipelines.target.wire import Refusal

pytestmark = pytest.mark.unit

ERROR = Refusal("HTTP500", "", passing=True)
UNHEARD = Refusal("ReadTimeoutError", "", passing=True, unheard=ReadTimeoutError(endpoint_url=""))
THROTTLED = Refusal("ThrottlingException", "", passing=True)
UNKNOWN = Refusal("UnknownOperationException", "", passing=False)


@pytest.mark.parametrize(
    ("refusals", "may_work"),
    [
        ([], True),
        ([UNKNOWN], False),
        ([ERROR, ERROR], True),
        ([ERROR, ERROR, ERROR], False),
        ([THROTTLED] * 9, True),
        ([UNHEARD] * 9, True),
    ],
)
def test_refusals(refusals: list[Refusal], may_work: bool) -> None:
    statements = Statements()
    for refusal in refusals:
        statements.refused(refusal)
    assert statements.may_work is may_work


def test_once_a_batch_has_worked_no_failure_shakes_that() -> None:
    statements = Statements()
    statements.work()
    for refusal in (ERROR, ERROR, ERROR, UNKNOWN):
        statements.refused(refusal)
    assert statements.may_work


def test_what_is_known_is_known_of_one_endpoint() -> None:
    statements_of("http://127.0.0.1:1").lack()
    assert not statements_of("http://127.0.0.1:1").may_work
    assert statements_of("http://127.0.0.1:2").may_work
