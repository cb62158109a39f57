"""What a DynamoDB endpoint gives back is, in canonical form, what was written to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from pipelines.items.canonical import canonical_item
from pipelines.items.size import canonical_size
from pipelines.target.embedded import EmbeddedDynamoDB
from tests.sendable import sendable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

pytestmark = pytest.mark.integration

TABLE = "write_then_read"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
INTEGERS = st.integers(-(10**38) + 1, 10**38 - 1).map(str)
FRACTIONS = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**20), max_value=10**20).map(str)
NUMBERS = INTEGERS | FRACTIONS | st.sampled_from(["0", "-0", "1.500", "1e125", "1E-130", "00.10", "-9.9e-3"])
SCALARS = st.one_of(
    TEXTS.map(lambda text: {"S": text}),
    NUMBERS.map(lambda number: {"N": number}),
    st.binary(max_size=16).map(lambda value: {"B": value}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.just({"NULL": True}),
    st.sets(TEXTS.filter(bool), min_size=1, max_size=4).map(lambda members: {"SS": list(members)}),
    st.sets(INTEGERS, min_size=1, max_size=4).map(lambda members: {"NS": list(members)}),
    st.sets(st.binary(min_size=1, max_size=6), min_size=1, max_size=4).map(lambda members: {"BS": list(members)}),
)
VALUES = st.recursive(
    SCALARS,
    lambda value: st.one_of(
        st.lists(value, max_size=4).map(lambda members: {"L": members}),
        st.dictionaries(NAMES, value, max_size=4).map(lambda members: {"M": members}),
    ),
    max_leaves=12,
)
ITEMS = st.dictionaries(NAMES.filter(lambda name: name not in ("pk", "sk")), VALUES, max_size=6)


@pytest.fixture(scope="module")
def client(dynamodb_server: EmbeddedDynamoDB) -> Iterator[DynamoDBClient]:
    dynamodb_server.reset()
    with pytest.MonkeyPatch.context() as environment:
        for name, value in dynamodb_server.environment().items():
            environment.setenv(name, value)
        client = boto3.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "N"},
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield client
    client.close()


@given(item=ITEMS, pk=TEXTS.filter(bool), sk=st.integers(-(10**18), 10**18))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_text_before_is_the_text_after(client: DynamoDBClient, item: dict[str, Any], pk: str, sk: int) -> None:
    key = {"pk": {"S": pk}, "sk": {"N": str(sk)}}
    before = canonical_item({**item, **key})
    assume(canonical_size(before) < 390_000)
    client.put_item(TableName=TABLE, Item=sendable(json.loads(before)))
    read = client.get_item(TableName=TABLE, Key=key, ConsistentRead=True)["Item"]
    assert canonical_item(read) == before
