"""What S3, botocore and Arrow say, as one line that names the bucket and what to do."""

from __future__ import annotations

import pytest
from botocore import exceptions
from botocore.exceptions import ClientError

from pipelines.errors import WarehouseError
from pipelines.warehouse.place import MissingError
from pipelines.warehouse.s3_failures import s3_errors

pytestmark = pytest.mark.unit

ADDRESS = "s3://ours/w/shop/manifest.json"


def line(error: Exception) -> str:
    with pytest.raises(WarehouseError) as caught, s3_errors(ADDRESS, "written"):
        raise error
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


def refused(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "hunter2"}}, "PutObject")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("NoSuchBucket", "s3://ours: there is no such bucket; create it, or correct CROSSOVER_WAREHOUSE"),
        ("PermanentRedirect", "s3://ours: the bucket is in another region; set AWS_REGION to the bucket's"),
        ("AuthorizationHeaderMalformed", "s3://ours: the bucket is in another region; set AWS_REGION to the bucket's"),
        ("301", "s3://ours: the bucket is in another region; set AWS_REGION to the bucket's"),
        ("403", f"{ADDRESS}: cannot be written: the credentials may not call s3:PutObject there; grant it to them"),
        ("ExpiredToken", f"{ADDRESS}: the AWS credentials have expired; renew them and run again"),
        ("SlowDown", f"{ADDRESS}: cannot be written: S3 is too busy or failing (SlowDown); run again later"),
        ("EntityTooLarge", f"{ADDRESS}: cannot be written: PutObject was refused (EntityTooLarge)"),
    ],
)
def test_a_refusal_is_told_by_its_code(code: str, words: str) -> None:
    assert line(refused(code)) == words


@pytest.mark.parametrize(("operation", "grant"), [("HeadObject", "GetObject"), ("ListObjectsV2", "ListBucket")])
def test_what_is_to_be_granted_is_called_as_iam_calls_it(operation: str, grant: str) -> None:
    assert f"may not call s3:{grant} there" in line(ClientError({"Error": {"Code": "403"}}, operation))


def test_bad_credentials_name_the_bucket() -> None:
    assert line(refused("SignatureDoesNotMatch")).startswith("s3://ours: the AWS credentials are not accepted")


@pytest.mark.parametrize("error", [refused("NoSuchKey"), FileNotFoundError(2, "hunter2")])
def test_what_is_missing_is_an_error_of_its_own(error: Exception) -> None:
    with pytest.raises(MissingError, match=f"^{ADDRESS}: missing$"), s3_errors(ADDRESS, "read"):
        raise error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (exceptions.EndpointConnectionError(endpoint_url="http://u:hunter2@h"), "S3 cannot be reached; check AWS_EN"),
        (exceptions.ReadTimeoutError(endpoint_url="hunter2"), "S3 cannot be reached"),
        (exceptions.SSLError(endpoint_url="h", error=OSError("hunter2")), "certificate is not accepted"),
        (exceptions.NoCredentialsError(), "no usable AWS credentials"),
        (OSError("AWS Error NETWORK_CONNECTION during HeadObject operation: curlCode: 7"), "S3 cannot be reached"),
        (OSError("AWS Error ACCESS_DENIED during GetObject operation: hunter2"), "may not call s3:GetObject"),
        (OSError("AWS Error UNKNOWN (HTTP status 500) during GetObject: hunter2"), "S3 failed; run again"),
    ],
)
def test_no_answer_says_what_to_look_at(error: Exception, words: str) -> None:
    told = line(error)
    assert told.startswith("s3://ours/")
    assert words in told
