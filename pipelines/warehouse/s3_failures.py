"""What botocore, Arrow and S3 say when they refuse, as one line that names the address and what to do.

Only error codes are passed on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from pipelines import aws
from pipelines.errors import WarehouseError
from pipelines.warehouse.place import MissingError

_MISSING = frozenset({"NoSuchKey", "404", "NotFound"})
_DENIED = frozenset({"AccessDenied", "AllAccessDisabled", "403", "Forbidden"})
_BAD_CREDENTIALS = frozenset(
    {"InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "InvalidClientTokenId", "InvalidSecurity"}
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
_OTHER_REGION = frozenset(
    {"PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "301"}
)
_GRANTS = {
    "HeadObject": "GetObject",
    "HeadBucket": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "DeleteObjects": "DeleteObject",
    "CreateMultipartUpload": "PutObject",
    "UploadPart": "PutObject",
    "CompleteMultipartUpload": "PutObject",
}
"""Operations that IAM knows by another name: "Required permissions for Amazon S3 API operations", User Guide."""
_BUSY = frozenset({"SlowDown", "ServiceUnavailable", "InternalError", "503", "500", "RequestTimeout"})


@contextmanager
def s3_errors(address: str, done: str) -> Iterator[None]:
    """Turns botocore's and Arrow's errors inside it into WarehouseError. `done` is `read`, `written`, `listed`, …"""
    try:
        yield
    except ClientError as error:
        raise refusal(error, address, done) from None
    except BotoCoreError as error:
        raise no_answer(error, address, done) from None
    except FileNotFoundError:
        raise MissingError(f"{address}: missing") from None
    except OSError as error:
        raise arrow_failure(error, address, done) from None


def code_of(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", "unknown"))


def refusal(error: ClientError, address: str, done: str) -> WarehouseError:
    code, action = code_of(error), error.operation_name
    bucket = "/".join(address.split("/")[:3])
    if code == "NoSuchBucket":
        return WarehouseError(f"{bucket}: there is no such bucket; create it, or correct CROSSOVER_WAREHOUSE")
    if code in _MISSING:
        return MissingError(f"{address}: missing")
    if code in _OTHER_REGION:
        return WarehouseError(f"{bucket}: the bucket is in another region; set AWS_REGION to the bucket's")
    if code in _EXPIRED:
        return WarehouseError(f"{address}: the AWS credentials have expired; renew them and run again")
    if code in _BAD_CREDENTIALS:
        return WarehouseError(
            f"{bucket}: the AWS credentials are not accepted ({code}); check AWS_ACCESS_KEY_ID, AWS_PROFILE or the role"
        )
    if code in _DENIED:
        grant = _GRANTS.get(action, action)
        return WarehouseError(
            f"{address}: cannot be {done}: the credentials may not call s3:{grant} there; grant it to them"
        )
    if code in _BUSY:
        return WarehouseError(f"{address}: cannot be {done}: S3 is too busy or failing ({code}); run again later")
    return WarehouseError(f"{address}: cannot be {done}: {action} was refused ({code})")


def no_answer(error: BotoCoreError, address: str, done: str) -> WarehouseError:
    if isinstance(error, exceptions.ParamValidationError):
        return WarehouseError(f"{address}: is no address in S3; correct CROSSOVER_WAREHOUSE")
    known = aws.no_answer(error, "S3's", f"cannot be {done}: S3 cannot be reached; check AWS_ENDPOINT_URL_S3")
    return WarehouseError(f"{address}: {known or f'cannot be {done} ({type(error).__name__})'}")


def arrow_failure(error: OSError, address: str, done: str) -> WarehouseError:
    """Arrow gives S3's code within a sentence."""
    text = str(error)
    if "ACCESS_DENIED" in text or "HTTP status 403" in text:
        return WarehouseError(
            f"{address}: cannot be {done}: the credentials may not call s3:GetObject there; grant it to them"
        )
    if "NETWORK_CONNECTION" in text or "curlCode" in text:
        return WarehouseError(
            f"{address}: cannot be {done}: S3 cannot be reached; check AWS_ENDPOINT_URL_S3, AWS_REGION and the network"
        )
    return WarehouseError(f"{address}: cannot be {done}: S3 failed; run again")
