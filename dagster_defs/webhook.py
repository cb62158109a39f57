"""A webhook: the news as JSON by POST. Its URL is a secret, for whoever knows it can write there: no error shows it."""

from __future__ import annotations

import ipaddress
import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pycurl
from botocore.httpsession import get_cert_path

from dagster_defs.news import News
from pipelines.errors import MonitoringError, UsageError

SECONDS_OF_A_TRY = 10.0
_WAITS_SECONDS = (1.0, 3.0)  # between three tries; with these within a channel's 40
_PASSING = frozenset({408, 425, 429})


@dataclass(frozen=True)
class Webhook:
    """`where`: what may be shown of it. https, or http to this machine. It is not followed to another address."""

    url: str = field(repr=False)
    where: str

    @classmethod
    def of(cls, url: str, where: str) -> Webhook:
        """Raises UsageError."""
        try:
            parts = urlsplit(url)
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise UsageError(f"{where}: no URL; give webhook:https://HOST/PATH") from None
        if parts.scheme not in ("http", "https") or not host or not url.isprintable():
            raise UsageError(f"{where}: no URL; give webhook:https://HOST/PATH")
        if parts.scheme == "http" and not _is_loopback(host):
            raise UsageError(f"{where}: http would send it in clear; give webhook:https://HOST/PATH")
        return cls(url, where)

    def tell(self, news: News) -> None:
        body = json.dumps(news).encode()
        for wait in (*_WAITS_SECONDS, None):
            problem, passing = self._post(body)
            if not problem:
                return
            if not passing or wait is None:
                raise MonitoringError(f"{self.where}: {problem}")
            time.sleep(wait)

    def _post(self, body: bytes) -> tuple[str, bool]:
        """What went wrong, "" for nothing, and whether it may pass."""
        handle = pycurl.Curl()
        try:
            for option, value in _options(self.url, body).items():
                handle.setopt(option, value)
            handle.perform()
            status = int(handle.getinfo(pycurl.RESPONSE_CODE))
        except pycurl.error as error:
            return _problem(int(error.args[0])), True
        finally:
            handle.close()
        return "" if 200 <= status < 300 else f"answered with {status}", status >= 500 or status in _PASSING


def _options(url: str, body: bytes) -> dict[int, object]:
    certificates = str(os.environ.get("REQUESTS_CA_BUNDLE") or get_cert_path(True))
    options: dict[int, object] = {
        pycurl.URL: url,
        pycurl.POST: 1,
        pycurl.POSTFIELDS: body,
        pycurl.HTTPHEADER: ["Content-Type: application/json", "Expect:"],
        pycurl.WRITEFUNCTION: len,  # the answer's body is of no use
        pycurl.CAPATH if Path(certificates).is_dir() else pycurl.CAINFO: certificates,
        pycurl.SSLVERSION: pycurl.SSLVERSION_TLSv1_2,
        pycurl.TIMEOUT_MS: int(1000 * SECONDS_OF_A_TRY),
        pycurl.USERAGENT: "crossover",
        pycurl.NOSIGNAL: 1,
    }
    if _is_loopback(urlsplit(url).hostname or ""):
        options[pycurl.PROXY] = ""  # none, whatever the environment says
    return options


def _problem(code: int) -> str:
    """In words of ours: libcurl's name the host."""
    if code == pycurl.E_OPERATION_TIMEDOUT:
        return f"no answer within {SECONDS_OF_A_TRY:.0f} s"
    if code in (pycurl.E_PEER_FAILED_VERIFICATION, pycurl.E_SSL_CACERT_BADFILE):
        return "its TLS certificate is not accepted; REQUESTS_CA_BUNDLE names other authorities"
    return f"cannot be reached (libcurl's error {code})"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
