"""The embedded default for AWS: moto's DynamoDB and S3 in a child process on 127.0.0.1.

Nothing outlives the process that started it, even if that is killed; what it holds is in memory only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from types import TracebackType

from pipelines.errors import TargetError

REGION = "eu-central-1"
_ANYTHING = "embedded"  # moto takes any credentials
_SERVER = "pipelines.target.embedded_server"


class EmbeddedDynamoDB:
    """A context manager; `url` and `environment()` are valid inside it. Port 0 takes a free one.

    Raises TargetError where the port is taken or moto does not start.
    """

    def __init__(self, port: int = 0) -> None:
        self._wanted_port = port
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> EmbeddedDynamoDB:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", _SERVER, str(self._wanted_port), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a terminal's ^C is for the parent, which needs the endpoint to finish
        )
        try:
            self.url = f"http://127.0.0.1:{self._bound_port(self._process)}"
            self.reset()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def environment(self) -> dict[str, str]:
        """The variables that point AWS's clients here, and nowhere else."""
        return {
            "AWS_ENDPOINT_URL_DYNAMODB": self.url,
            "AWS_ENDPOINT_URL_S3": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,  # the only one that boto3 reads by itself
            "AWS_ACCESS_KEY_ID": _ANYTHING,
            "AWS_SECRET_ACCESS_KEY": _ANYTHING,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def reset(self) -> None:
        """Forgets all tables and buckets."""
        request = urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")  # noqa: S310 (127.0.0.1)
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60):
            pass

    def _bound_port(self, process: subprocess.Popen[str]) -> int:
        """Waits until the child says where it listens."""
        assert process.stdout is not None
        assert process.stderr is not None
        answer = process.stdout.readline().strip()
        if not answer:
            lines = process.stderr.read().strip().splitlines() or ["it ended at once"]
            raise TargetError(f"embedded DynamoDB on port {self._wanted_port}: did not start ({lines[-1]})")
        return int(answer)

    def _stop(self) -> None:
        if self._process is None:
            return
        self._process.kill()  # it holds nothing that could be lost
        self._process.communicate()
        self._process = None
