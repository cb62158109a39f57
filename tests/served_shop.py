"""examples/shop_service and the relays as processes of their own, as an operator would run them."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAPPING = Path(__file__).parents[1] / "examples" / "shop_service" / "shop-service.yaml"
START_SECONDS = 60
END_SECONDS = 60


@contextmanager
def service(folder: Path, refresh_seconds: float) -> Iterator[int]:
    """Its port, once it answers."""
    log = folder / "service.log"
    options = ("--port", "0", "--catalog", str(folder / "catalog.json"), "--refresh-seconds", str(refresh_seconds))
    with _running(log, "examples.shop_service", *options) as process:
        yield _port(process, log)
    said = _said(log)
    assert "Traceback" not in said, said


@contextmanager
def relay(folder: Path, *options: str) -> Iterator[None]:
    log = folder / f"relay{''.join(options[:1])}.log"
    with _running(log, "pipelines.cli", "relay", str(MAPPING), *options) as process:
        yield
        assert process.poll() is None, _said(log)


@contextmanager
def _running(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Ends it as an operator does, by SIGTERM."""
    with (
        log.open("ab") as file,
        subprocess.Popen([sys.executable, "-m", *arguments], stdout=subprocess.DEVNULL, stderr=file) as process,
    ):
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + START_SECONDS
    while True:
        found = re.search(r"serving on http://127\.0\.0\.1:(\d+)", _said(log))
        if found is not None:
            return int(found[1])
        assert process.poll() is None and time.monotonic() < deadline, _said(log)
        time.sleep(0.05)


def _said(log: Path) -> str:
    return log.read_text(encoding="utf-8")[-3000:]
