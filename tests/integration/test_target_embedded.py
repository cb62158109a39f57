"""The embedded endpoint: quiet, on its own, and gone with whoever started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from pipelines.errors import TargetError
from pipelines.target.embedded import EmbeddedDynamoDB

pytestmark = pytest.mark.integration

EVERY_TYPE: dict[str, Any] = {
    "pk": {"S": '日本 "quoted" \u0001'},
    "b": {"B": b"\x00\xff"},
    "bs": {"BS": [b"a", b"\xff"]},
    "ns": {"NS": ["1", "-2.5"]},
    "ss": {"SS": ["x", "y"]},
    "n": {"N": "1.500"},
    "yes": {"BOOL": True},
    "nothing": {"NULL": True},
    "deep": {"M": {"l": {"L": [{"B": b"z"}, {"L": []}, {"M": {}}, {"NS": ["7"]}, {"S": ""}]}}},
}

CHILD = """
import sys, time
from pipelines.target.embedded import EmbeddedDynamoDB
with EmbeddedDynamoDB() as endpoint:
    print(endpoint.url, flush=True)
    {then}
"""

SLOW_MOTO = """
import time
from moto.dynamodb.models.table import Table
from pipelines.target.embedded_http import EmbeddedServer
found = Table.get_item
def slowly(*arguments, **named):
    item = found(*arguments, **named)
    time.sleep(0.05)
    return item
Table.get_item = slowly
server = EmbeddedServer(0)
print(server.server_port, flush=True)
server.serve_forever()
"""


def answers(url: str) -> bool:
    port = int(url.rpartition(":")[2])
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def gone_within(url: str, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while answers(url):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def create_table(client: Any, name: str) -> None:
    """With the partition key `pk`, a string."""
    client.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )


def test_every_type_is_read_as_it_was_written(dynamodb_environment: str) -> None:
    client = boto3.client("dynamodb")
    create_table(client, "all")
    client.put_item(TableName="all", Item=EVERY_TYPE)
    assert client.scan(TableName="all")["Items"] == [EVERY_TYPE]
    assert client.get_item(TableName="all", Key={"pk": EVERY_TYPE["pk"]})["Item"] == EVERY_TYPE


def test_of_writers_at_one_key_one_passes_its_condition() -> None:
    """moto takes its time between condition and write."""
    command = [sys.executable, "-c", SLOW_MOTO]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        client = boto3.client(
            "dynamodb", "eu-central-1", endpoint_url=url, aws_access_key_id="x", aws_secret_access_key="x"
        )
        create_table(client, "won")

        def put(key: str) -> bool:
            try:
                client.put_item(
                    TableName="won", Item={"pk": {"S": key}}, ConditionExpression="attribute_not_exists(pk)"
                )
            except client.exceptions.ConditionalCheckFailedException:
                return False
            return True

        with ThreadPoolExecutor(8) as threads:
            won = list(threads.map(put, [key for key in "abc" for _ in range(8)]))
        server.kill()
    assert sum(won) == 3


def test_s3_is_there_too(dynamodb_environment: str) -> None:
    client = boto3.client("s3")
    client.create_bucket(Bucket="dumps", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    client.put_object(Bucket="dumps", Key="a/b c", Body=b"x" * 100_000)
    assert client.head_object(Bucket="dumps", Key="a/b c")["ContentLength"] == 100_000
    assert client.get_object(Bucket="dumps", Key="a/b c")["Body"].read() == b"x" * 100_000


def test_reset_forgets_everything(dynamodb_server: EmbeddedDynamoDB, dynamodb_environment: str) -> None:
    test_every_type_is_read_as_it_was_written(dynamodb_environment)
    dynamodb_server.reset()
    assert boto3.client("dynamodb").list_tables()["TableNames"] == []


def test_a_request_it_cannot_serve_gets_an_answer(dynamodb_environment: str) -> None:
    headers = {
        "Authorization": "AWS4-HMAC-SHA256 Credential=x/20261124/eu-central-1/dynamodb/aws4_request, x",
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "DynamoDB_20120810.NoSuchCall",
    }
    request = urllib.request.Request(dynamodb_environment, data=b"{}", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=20)
    with caught.value as error:
        assert error.code == 500
        assert error.read().startswith(b"OperationNotFoundError")


def test_it_listens_on_this_machine_only(dynamodb_environment: str) -> None:
    port = f"{int(dynamodb_environment.rpartition(':')[2]):04X}"
    listening = [
        fields[1]
        for name in ("tcp", "tcp6")
        for fields in map(str.split, Path(f"/proc/net/{name}").read_text().splitlines()[1:])
        if fields[1].endswith(f":{port}") and fields[3] == "0A"
    ]
    assert listening == [f"0100007F:{port}"]


def test_a_port_that_is_taken_is_told() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(TargetError, match=rf"port {port}: did not start \(Address already in use\)"):
            EmbeddedDynamoDB(port).__enter__()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_it_dies_with_its_parent(how: signal.Signals) -> None:
    command = [sys.executable, "-c", CHILD.format(then="time.sleep(600)")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        url = parent.stdout.readline().strip()
        assert answers(url)
        os.kill(parent.pid, how)
        parent.wait()
    assert gone_within(url, 10)


def test_it_says_nothing_and_leaves_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", CHILD.format(then="pass")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1
    assert not answers(done.stdout.strip())


def test_an_insert_replaces_nothing(dynamodb_environment: str) -> None:
    """moto's own would put the item, whatever is there."""
    client = boto3.client("dynamodb")
    create_table(client, "orders")
    client.put_item(TableName="orders", Item={"pk": {"S": "1"}, "_v": {"N": "2"}})
    statement = "INSERT INTO \"orders\" VALUE {'pk': '1', '_v': 1}"
    with pytest.raises(client.exceptions.ClientError, match="UnknownOperationException"):
        client.batch_execute_statement(Statements=[{"Statement": statement}])
    with pytest.raises(client.exceptions.ClientError, match="UnknownOperationException"):
        client.execute_statement(Statement=statement)
    assert client.get_item(TableName="orders", Key={"pk": {"S": "1"}})["Item"]["_v"] == {"N": "2"}
