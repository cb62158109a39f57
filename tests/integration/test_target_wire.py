"""The wire itself: connections, what is sent once only, proxies, certificates, clocks."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from itertools import takewhile
from pathlib import Path

import pytest
from botocore import exceptions
from botocore.credentials import ReadOnlyCredentials

from pipelines.errors import TargetError
from pipelines.target.client import Address
from pipelines.target.embedded import REGION
from pipelines.target.flights import Flights
from pipelines.target.wire import Answer, Refusal, Wire
from tests.tls_postgres import Authority

pytestmark = pytest.mark.integration

Way = Callable[[Wire, bytes], Answer | Refusal]


def response(content: bytes = b"{}", status: str = "200 OK", more: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{more}\r\n".encode() + content


class Endpoint:
    """Answers by a function of the connection's and the request's number, from 0; None: it hangs up. Keeps requests."""

    def __init__(
        self,
        answer: Callable[[int, int, bytes], bytes | None],
        tls: ssl.SSLContext | None = None,
        requests_each: int = 1_000,
    ) -> None:
        """After `requests_each` a connection is closed."""
        self.requests: list[bytes] = []
        self.connections = 0
        self._answer = answer
        self._tls = tls
        self._requests_each = requests_each
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def serving(self) -> Iterator[Endpoint]:
        thread = threading.Thread(target=self._accept, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True).start()
            self.connections += 1

    def _serve(self, connection: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError), contextlib.closing(connection):
            stream = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            with contextlib.closing(stream), stream.makefile("rb") as reader:
                for count in range(self._requests_each):
                    head = b"".join(takewhile(lambda line: line != b"\r\n", reader))
                    if not head:
                        return
                    length = re.search(rb"(?i)content-length: (\d+)", head)
                    body = reader.read(int(length[1])) if length else b""
                    self.requests.append(head + b"\r\n" + body)
                    answer = self._answer(number, count, head)
                    if answer is None:
                        return
                    stream.sendall(answer)


def by_call(wire: Wire, body: bytes) -> Answer | Refusal:
    return wire.call("PutItem", body)


def by_flight(wire: Wire, body: bytes) -> Answer | Refusal:
    with Flights[int](wire, 4) as flights:
        flights.send("PutItem", body, 7)
        return one_landed(flights)


def one_landed(flights: Flights[int]) -> Answer | Refusal:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        for token, answer in flights.landed(0.5):
            assert token == 7
            return answer
    raise AssertionError("never answered")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "anything")


@pytest.fixture(params=[by_call, by_flight])
def way(request: pytest.FixtureRequest) -> Way:
    chosen: Way = request.param
    return chosen


def opened(url: str, answer_seconds: float = 10.0) -> Wire:
    return Wire(Address(url, REGION), 4, answer_seconds)


def test_a_connection_is_kept(way: Way) -> None:
    with Endpoint(lambda *_: response()).serving() as endpoint, opened(endpoint.url) as wire:
        with Flights[int](wire, 4) as flights:
            for number in range(5):
                flights.send("PutItem", b"%d" % number, 7)
                assert one_landed(flights) == Answer({})
        assert endpoint.connections == 1
        for number in range(5):
            assert way(wire, b'{"number":%d}' % number) == Answer({})
    assert endpoint.requests[-1].endswith(b'\r\n\r\n{"number":4}')


def test_nothing_is_sent_twice_where_a_kept_connection_dies() -> None:
    """The server has the request, and may have acted. libcurl by itself would send it again, and say nothing."""
    hang_up = Endpoint(lambda connection, count, _: response() if count == 0 else None)
    with hang_up.serving() as endpoint, opened(endpoint.url) as wire:
        assert by_call(wire, b"first") == Answer({})
        died = by_call(wire, b"second")
        assert isinstance(died, Refusal) and isinstance(died.unheard, exceptions.ConnectionClosedError)
        with Flights[int](wire, 1) as flights:
            flights.send("PutItem", b"third", 7)
            assert one_landed(flights) == Answer({})
            flights.send("PutItem", b"fourth", 7)
            died = one_landed(flights)
            assert isinstance(died, Refusal) and isinstance(died.unheard, exceptions.ConnectionClosedError)
            flights.send("PutItem", b"fifth", 7)
            assert one_landed(flights) == Answer({})
    assert [request.rpartition(b"\n")[2] for request in endpoint.requests] == [
        b"first",
        b"second",
        b"third",
        b"fourth",
        b"fifth",
    ]


def test_a_connection_that_the_server_has_closed_is_not_used() -> None:
    closing = Endpoint(lambda *_: response(), requests_each=1)
    with closing.serving() as endpoint, opened(endpoint.url) as wire:
        for _ in range(3):
            assert by_call(wire, b"x") == Answer({})
            time.sleep(1.1)  # libcurl looks again once a second has passed
    assert endpoint.connections == 3


def test_many_requests_are_under_way_at_once() -> None:
    all_there = threading.Barrier(8, timeout=20)

    def answer(*_: object) -> bytes:
        all_there.wait()
        return response()

    with Endpoint(answer).serving() as endpoint, opened(endpoint.url) as wire, Flights[int](wire, 8) as flights:
        for number in range(8):
            assert flights.has_seat
            flights.send("PutItem", b"x" * number * 200_000, number)
        assert not flights.has_seat
        landed: list[int] = []
        while flights:
            landed += [token for token, answer in flights.landed(0.5) if answer == Answer({})]
    assert sorted(landed) == list(range(8))


@pytest.mark.parametrize(
    ("answer", "heard"),
    [
        (response(b"{}", more="x-amz-crc32: 1\r\n"), "DamagedAnswer"),
        (response(b'{"UnprocessedItems":{}}')[:-5], "DamagedAnswer"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "HTTP200"),
        (b"", "ConnectionClosedError"),
        (b"garbage\r\n\r\n", "ConnectionClosedError"),
        (response(b'{"__type":"a#ThrottlingException"}', "400 Bad Request"), "ThrottlingException"),
    ],
)
def test_answers_that_are_none_are_passing(way: Way, answer: bytes, heard: str) -> None:
    with Endpoint(lambda *_: answer, requests_each=1).serving() as endpoint, opened(endpoint.url) as wire:
        refusal = way(wire, b"x")
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.passing) == (heard, True)
    assert len(endpoint.requests) == 1


def test_what_is_late_is_unknown_and_what_is_not_there_is_not_sent(way: Way) -> None:
    def late(*_: object) -> bytes:
        time.sleep(1)
        return response()

    with Endpoint(late).serving() as endpoint, opened(endpoint.url, answer_seconds=0.2) as wire:
        answer = way(wire, b"x")
        assert isinstance(answer, Refusal) and isinstance(answer.unheard, exceptions.ReadTimeoutError)
    with opened(endpoint.url) as wire:
        answer = way(wire, b"x")
        assert isinstance(answer, Refusal) and isinstance(answer.unheard, exceptions.EndpointConnectionError)


@pytest.mark.parametrize("code", ["RequestTimeTooSkewed", "InvalidSignatureException"])
def test_a_wrong_clock_is_set_by_dynamodbs(way: Way, code: str) -> None:
    ahead = time.time() + 3_600
    refusal = response(f'{{"__type":"a#{code}"}}'.encode(), "400 Bad", f"Date: {formatdate(ahead, usegmt=True)}\r\n")

    def answer(connection: int, count: int, head: bytes) -> bytes:
        stamp = re.search(rb"(?i)x-amz-date: (\w+)", head)
        right = time.strftime("%Y%m%dT%H", time.gmtime(ahead)).encode()
        return response() if stamp and stamp[1].startswith(right) else refusal

    with Endpoint(answer).serving() as endpoint, opened(endpoint.url) as wire:
        assert [way(wire, b"x"), way(wire, b"y")] == [Answer({})] * 2
    assert [request[-1:] for request in endpoint.requests] == [b"x", b"x", b"y"]


def test_a_signature_that_is_wrong_otherwise_is_told_at_once(way: Way) -> None:
    content, now = b'{"__type":"a#InvalidSignatureException"}', f"Date: {formatdate(usegmt=True)}\r\n"
    for more in (now, "", "Date: soon\r\n"):
        refusal = response(content, "400 Bad", more)
        with Endpoint(lambda *_, said=refusal: said).serving() as endpoint, opened(endpoint.url) as wire:
            assert way(wire, b"x") == Refusal("InvalidSignatureException", "", passing=False)
        assert len(endpoint.requests) == 1


def test_each_request_is_signed_with_the_credentials_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint(lambda *_: response()).serving() as endpoint, opened(endpoint.url) as wire:
        keys = iter(["FIRST", "SECOND"])
        renewed = lambda: ReadOnlyCredentials(next(keys), "secret", "token-of-it", None)  # noqa: E731
        monkeypatch.setattr(wire._credentials, "get_frozen_credentials", renewed)
        by_call(wire, b"")
        by_flight(wire, b"")
    found = [re.search(rb"Credential=(\w+)/", request) for request in endpoint.requests]
    assert [one and one[1] for one in found] == [b"FIRST", b"SECOND"]
    assert all(b"x-amz-security-token: token-of-it\r\n" in request for request in endpoint.requests)


def test_a_proxy_is_asked_where_the_environment_names_one(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint(lambda *_: response()).serving() as proxy, Endpoint(lambda *_: response()).serving() as target:
        monkeypatch.setenv("HTTP_PROXY", f"http://me:secret@127.0.0.1:{proxy.port}")
        monkeypatch.setenv("NO_PROXY", "")
        with opened("http://dynamodb.example:8000") as wire:
            assert way(wire, b"x") == Answer({})
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        with opened(target.url) as wire:
            assert way(wire, b"x") == Answer({})
    assert [request.split(b"\r\n")[0] for request in proxy.requests] == [b"POST http://dynamodb.example:8000/ HTTP/1.1"]
    assert b"host: dynamodb.example:8000\r\n" in proxy.requests[0].lower()
    assert len(target.requests) == 1


def test_a_proxy_that_is_not_there_is_named(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    with Endpoint(lambda *_: response()).serving() as gone:
        pass
    monkeypatch.setenv("HTTPS_PROXY", gone.url)
    monkeypatch.setenv("NO_PROXY", "")
    with opened("https://dynamodb.example") as wire:
        answer = way(wire, b"x")
    assert isinstance(answer, Refusal) and isinstance(answer.unheard, exceptions.ProxyConnectionError)


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_certificates_are_checked(way: Way, variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted, other = Authority(tmp_path, "trusted"), Authority(tmp_path, "other")
    for name, content in zip(("certificate", "key"), trusted.issue("localhost"), strict=True):
        (tmp_path / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate", tmp_path / "key")
    with Endpoint(lambda *_: response(), tls=context).serving() as endpoint:
        for bundle in (None, other.file):
            if bundle is not None:
                monkeypatch.setenv(variable, str(bundle))
            with opened(endpoint.url) as wire, pytest.raises(TargetError, match="certificate is not accepted"):
                way(wire, b"x")
        monkeypatch.setenv(variable, str(trusted.file))
        with opened(endpoint.url) as wire:
            assert way(wire, b"x") == Answer({})
    assert len(endpoint.requests) == 1
