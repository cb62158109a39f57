from __future__ import annotations

import pytest
from botocore import exceptions
from botocore.exceptions import BotoCoreError

from pipelines.aws import origin
from pipelines.target.failures import no_answer, refusal

pytestmark = pytest.mark.unit

URL = "http://user:secret@127.0.0.1:8000/path?token=secret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (URL, "http://127.0.0.1:8000"),
        ("https://dynamodb.eu-central-1.amazonaws.com", "https://dynamodb.eu-central-1.amazonaws.com"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
    ],
)
def test_a_message_shows_scheme_host_and_port_only(url: str, shown: str) -> None:
    assert origin(url) == shown


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("ResourceNotFoundException", "no such table; run `crossover tables`"),
        ("ThrottlingException", "PutItem was throttled for too long (ThrottlingException)"),
        ("AccessDeniedException", "may not call dynamodb:PutItem"),
        ("ExpiredTokenException", "expired"),
        ("InvalidSignatureException", "not accepted"),
        ("Other", "PutItem was refused (Other)"),
    ],
)
def test_refusals(code: str, says: str) -> None:
    message = str(refusal(code, "PutItem", "shop", URL))
    assert message.startswith("table shop on http://127.0.0.1:8000: ")
    assert says in message


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (exceptions.NoCredentialsError(), "no usable AWS credentials"),
        (exceptions.PartialCredentialsError(provider="env", cred_var="secret"), "no usable AWS credentials"),
        (exceptions.EndpointConnectionError(endpoint_url=URL), "cannot be reached"),
        (exceptions.ConnectTimeoutError(endpoint_url=URL), "cannot be reached"),
        (exceptions.ConnectionClosedError(endpoint_url=URL), "cannot be reached"),
        (exceptions.ReadTimeoutError(endpoint_url=URL), "no answer to PutItem in time"),
        (exceptions.SSLError(endpoint_url=URL, error=ValueError("secret")), "AWS_CA_BUNDLE"),
        (exceptions.ProxyConnectionError(proxy_url="http://user:secret@proxy"), "proxy cannot be reached"),
        (exceptions.InvalidConfigError(error_msg="secret"), "PutItem failed (InvalidConfigError)"),
    ],
)
def test_no_answer(error: BotoCoreError, says: str) -> None:
    message = str(no_answer(error, "PutItem", URL))
    assert message.startswith("http://127.0.0.1:8000: ")
    assert says in message
    assert "secret" not in message
