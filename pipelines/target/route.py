"""How an endpoint is reached: proxy, certificates and time limits, from the settings that botocore reads."""

from __future__ import annotations

import os
from dataclasses import dataclass

from botocore.httpsession import ProxyConfiguration, get_cert_path
from botocore.session import Session
from botocore.utils import get_environ_proxies

from pipelines.target.client import CONNECT_TIMEOUT_SECONDS


@dataclass(frozen=True)
class Route:
    """`proxy`: a URL, or None. `certificates`: a file or a folder. `answer_seconds`: from sending to the last byte."""

    url: str
    proxy: str | None
    certificates: str
    connect_seconds: float
    answer_seconds: float

    @classmethod
    def to(cls, url: str, session: Session, answer_seconds: float) -> Route:
        """Of AWS_CA_BUNDLE (or a profile's `ca_bundle`), REQUESTS_CA_BUNDLE, HTTP_PROXY, HTTPS_PROXY and NO_PROXY."""
        bundle = session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
        return cls(
            url=url,
            proxy=ProxyConfiguration(get_environ_proxies(url)).proxy_url_for(url),
            certificates=str(bundle or get_cert_path(True)),
            connect_seconds=CONNECT_TIMEOUT_SECONDS,
            answer_seconds=answer_seconds,
        )
