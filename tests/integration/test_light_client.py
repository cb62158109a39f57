"""The light client against boto3's: the same answers, the same errors."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from pipelines.reading.light_client import light_client
from pipelines.target.client import dynamodb_client

pytestmark = [pytest.mark.integration, pytest.mark.endpoints("moto", "ministack")]

ITEM: dict[str, Any] = {
    "pk": {"S": 'Ä\u2028"\\'},
    "sk": {"B": b"\x00\xff"},
    "n": {"N": "0.1"},
    "ns": {"NS": ["1", "2"]},
    "ss": {"SS": ["b", "c"]},
    "bs": {"BS": [b"\x01"]},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "l": {"L": [{"B": b"\x02"}, {"M": {"é": {"B": b""}, "x": {"N": "1"}}}]},
}
KEY = {name: ITEM[name] for name in ("pk", "sk")}


@pytest.fixture
def client(dynamodb_environment: str) -> Any:
    found = dynamodb_client()
    found.create_table(
        TableName="light",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "pk", "AttributeType": "S"},
            {"AttributeName": "sk", "AttributeType": "B"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    found.put_item(TableName="light", Item=ITEM)
    for number in range(3):
        found.put_item(TableName="light", Item={"pk": {"S": "many"}, "sk": {"B": bytes([number])}})
    return found


def test_an_item_is_as_boto3_has_it(client: Any) -> None:
    for key in (KEY, KEY | {"pk": {"S": "no such"}}):
        request = {"TableName": "light", "Key": key, "ConsistentRead": True}
        mine, boto3s = light_client(client).get_item(**request), client.get_item(**request)  # type: ignore[arg-type]
        assert mine.get("Item") == boto3s.get("Item")
    assert light_client(client).get_item(TableName="light", Key=KEY)["Item"] == ITEM


def test_pages_are_as_boto3_has_them(client: Any) -> None:
    request: dict[str, Any] = {
        "TableName": "light",
        "KeyConditionExpression": "pk = :p AND sk >= :s",
        "ExpressionAttributeValues": {":p": {"S": "many"}, ":s": {"B": b"\x00"}},
        "Limit": 2,
    }
    light, seen = light_client(), []
    while True:
        mine, boto3s = light.query(**request), client.query(**request)
        assert (mine["Items"], mine.get("LastEvaluatedKey")) == (boto3s["Items"], boto3s.get("LastEvaluatedKey"))
        seen += mine["Items"]
        if "LastEvaluatedKey" not in mine:
            break
        request["ExclusiveStartKey"] = mine["LastEvaluatedKey"]
    assert [one["sk"]["B"] for one in seen] == [b"\x00", b"\x01", b"\x02"]


def test_a_refusal_is_boto3s(client: Any) -> None:
    codes = []
    for each in (client, light_client(client)):
        with pytest.raises(ClientError) as told:
            each.get_item(TableName="no-such", Key=KEY)
        codes.append(told.value.response["Error"]["Code"])
    assert codes == ["ResourceNotFoundException"] * 2


def test_no_answer_is_botocores(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:9")
    with pytest.raises(EndpointConnectionError):
        light_client().get_item(TableName="light", Key=KEY)


def test_threads_share_one(client: Any) -> None:
    light = light_client(client)
    found: list[Any] = []
    threads = [
        threading.Thread(
            target=lambda: found.extend(light.get_item(TableName="light", Key=KEY)["Item"] for _ in range(5))
        )
        for _ in range(4)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == [ITEM] * 20


FORKED = """
import os, sys
from pipelines.reading.light_client import light_client
light = light_client()
ask = lambda: light.get_item(TableName="light", Key={"pk": {"S": "many"}, "sk": {"B": b"\\0"}})["Item"]
ask()
wire = light._wire
child = os.fork()
if child == 0:
    assert ask() and light._wire is not wire
    os._exit(0)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert ask() and light._wire is wire
"""


def test_a_process_that_was_forked_has_connections_of_its_own(client: Any) -> None:
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60)
