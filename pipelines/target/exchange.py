"""A request and its answer over a connection that is kept, by libcurl.

libcurl sends a request again by itself where a connection that was kept dies before it has answered, also a POST that
has reached the server. Here it may not: `begun` counts, and the second sending is refused.
https://curl.se/libcurl/c/CURLOPT_PREREQFUNCTION.html
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pycurl
from botocore import exceptions
from botocore.exceptions import BotoCoreError

from pipelines.target.route import Route

CUT_OFF = pycurl.E_PARTIAL_FILE
_LARGE_BYTES = 1_000_000
_SLOWEST_BYTES_PER_SECOND = 100_000  # a large body has that much longer
_UPLOAD_BUFFER_BYTES = 512 * 1024
_NOT_ACCEPTED = frozenset(
    {
        pycurl.E_SSL_CONNECT_ERROR,
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_ISSUER_ERROR,
        pycurl.E_SSL_INVALIDCERTSTATUS,
    }
)
_HANDSHAKE_BROKEN = ("SYSCALL", "reset", "unexpected eof")


@dataclass(frozen=True)
class CurlError:
    code: int
    message: str


class Exchange:
    """One at a time, of one thread at a time. `handle` is libcurl's; once one has failed it is not used again."""

    def __init__(self, route: Route) -> None:
        self._route = route
        self._body: list[bytes] = []
        self._lines: list[bytes] = []
        self._begun = 0
        self._was_large = False
        self.handle = pycurl.Curl()
        for option, value in _options(route).items():
            self.handle.setopt(option, value)
        self.handle.setopt(pycurl.PREREQFUNCTION, self._begin)
        self.handle.setopt(pycurl.WRITEFUNCTION, self._body.append)
        self.handle.setopt(pycurl.HEADERFUNCTION, self._lines.append)

    def prepare(self, headers: Sequence[str], body: bytes) -> None:
        """What the next performance of `handle` sends."""
        self._body.clear()
        self._lines.clear()
        self._begun = 0
        self.handle.setopt(pycurl.HTTPHEADER, [*headers, "Expect:"])
        self.handle.setopt(pycurl.POSTFIELDS, body)
        is_large = len(body) > _LARGE_BYTES
        if is_large or self._was_large:
            more = len(body) / _SLOWEST_BYTES_PER_SECOND if is_large else 0.0
            self.handle.setopt(pycurl.TIMEOUT_MS, int(1000 * (self._route.answer_seconds + more)))
            self._was_large = is_large

    def perform(self) -> CurlError | None:
        """Blocks this thread."""
        try:
            self.handle.perform()
        except pycurl.error as error:
            return CurlError(int(error.args[0]), str(error.args[-1]))
        return None

    @property
    def status(self) -> int:
        return int(self.handle.getinfo(pycurl.RESPONSE_CODE))

    @property
    def content(self) -> bytes:
        return b"".join(self._body)

    def headers(self) -> dict[str, str]:
        """By their names in small letters; of one that comes twice, the last."""
        pairs = (line.partition(b":") for line in self._lines)
        return {
            name.decode("latin-1").lower(): value.strip().decode("latin-1") for name, colon, value in pairs if colon
        }

    def failure(self, error: CurlError) -> BotoCoreError:
        """libcurl's error as botocore would tell it. With one of botocore's ConnectionErrors nothing has been sent."""
        url = self._route.url
        if error.code == pycurl.E_OPERATION_TIMEDOUT:
            kind = exceptions.ReadTimeoutError if self._begun else exceptions.ConnectTimeoutError
            return kind(endpoint_url=url)
        if self._begun:
            return exceptions.ConnectionClosedError(endpoint_url=url)
        if error.code in _NOT_ACCEPTED and not any(sign in error.message for sign in _HANDSHAKE_BROKEN):
            return exceptions.SSLError(endpoint_url=url, error=ConnectionError(error.message))
        if self._route.proxy is not None:
            return exceptions.ProxyConnectionError(proxy_url="", error=error.message)
        return exceptions.EndpointConnectionError(endpoint_url=url, error=error.message)

    def close(self) -> None:
        self.handle.close()

    def _begin(self, *_: object) -> int:
        self._begun += 1
        return pycurl.PREREQFUNC_OK if self._begun == 1 else pycurl.PREREQFUNC_ABORT


def _options(route: Route) -> dict[int, str | int]:
    certificates = pycurl.CAPATH if Path(route.certificates).is_dir() else pycurl.CAINFO
    return {
        pycurl.URL: route.url,
        pycurl.POST: 1,
        pycurl.HTTP_VERSION: pycurl.CURL_HTTP_VERSION_1_1,
        pycurl.PROXY: route.proxy or "",  # empty: none, whatever the environment says
        certificates: route.certificates,
        pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2,
        pycurl.CONNECTTIMEOUT_MS: int(1000 * route.connect_seconds),
        pycurl.TIMEOUT_MS: int(1000 * route.answer_seconds),
        pycurl.UPLOAD_BUFFERSIZE: _UPLOAD_BUFFER_BYTES,
        pycurl.USERAGENT: "crossover",
        pycurl.NOSIGNAL: 1,
    }
