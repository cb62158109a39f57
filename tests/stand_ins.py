"""DynamoDB endpoints of other makers, as children on 127.0.0.1 that end with this process.

Neither is a dependency of Crossover: each is installed into a folder of its own, which a variable can name.

    CROSSOVER_MINISTACK   a virtual environment with ministack; .ministack unless set, and made by make
    CROSSOVER_DYNALITE    a folder with dynalite in its node_modules; .dynalite unless set, and made by make
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.lifeline import child_dies_with_us

_ROOT = Path(__file__).parents[1]
_LISTEN = """
require('dynalite')({createTableMs: 0, deleteTableMs: 0, updateTableMs: 0})
    .listen(0, '127.0.0.1', function () { console.log(this.address().port) })
"""


def ministack_python() -> Path:
    """The interpreter of its environment, there or not."""
    return Path(os.environ.get("CROSSOVER_MINISTACK", _ROOT / ".ministack")) / "bin" / "python"


def dynalite_modules() -> Path | None:
    """None without Node."""
    if shutil.which("node") is None:
        return None
    return Path(os.environ.get("CROSSOVER_DYNALITE", _ROOT / ".dynalite")) / "node_modules"


@dataclass(frozen=True)
class Ministack:
    url: str

    def reset(self) -> None:
        """Forgets all tables, and what else it keeps."""
        _ask(urllib.request.Request(f"{self.url}/_ministack/reset", method="POST"))


@contextlib.contextmanager
def ministack(folder: Path) -> Iterator[Ministack]:
    """`folder` is for what it may leave behind. Its socket is bound here: it would bind every address, and a port that
    is free now may not be once it has started."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        port = listener.getsockname()[1]
        arguments = ["-m", "hypercorn", "ministack.app:app", "--bind", f"fd://{listener.fileno()}"]
        with _child(
            [str(ministack_python()), *arguments, "--workers", "0", "--log-level", "ERROR"],
            folder,
            {
                "GATEWAY_PORT": str(port),
                "SERVICES": "dynamodb,logs,monitoring,s3,sns",
                "IOT_MTLS_ENABLED": "0",
                "SFTP_ENABLED": "0",
                "DOCKER_HOST": f"unix://{folder}/none",  # it would look for containers of this machine
                "LOG_LEVEL": "ERROR",
            },
            inherits=(listener.fileno(),),
        ):
            listener.close()  # so that a child that has died answers nobody
            server = Ministack(f"http://127.0.0.1:{port}")
            _ask(urllib.request.Request(f"{server.url}/_ministack/ready"))
            yield server


@contextlib.contextmanager
def dynalite(folder: Path) -> Iterator[str]:
    """Gives the URL. Its tables are in memory."""
    modules = dynalite_modules()
    assert modules is not None
    with _child(["node", "-e", _LISTEN], folder, {"NODE_PATH": str(modules)}) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


@contextlib.contextmanager
def _child(
    command: list[str], folder: Path, settings: dict[str, str], inherits: tuple[int, ...] = ()
) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), **settings},
        pass_fds=inherits,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # a terminal's ^C is for us
        preexec_fn=child_dies_with_us,
    )
    try:
        yield process
    finally:
        process.kill()  # it holds nothing that could be lost
        process.communicate()


def _ask(request: urllib.request.Request) -> None:
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60):
        pass
