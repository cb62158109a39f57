"""The process behind EmbeddedDynamoDB: `python -m pipelines.target.embedded_server PORT PARENT`.

It prints the port it has bound, then serves until its parent is gone. moto is imported only after the watch on
the parent has begun, for the import takes longer than some parents live.
"""

from __future__ import annotations

import os
import select
import sys
import threading
import time

_POLL_SECONDS = 0.5


def main(port: int, parent: int) -> None:
    threading.Thread(target=_exit_with, args=(parent,), daemon=True, name="parent-watch").start()
    from pipelines.target.embedded_http import EmbeddedServer

    try:
        server = EmbeddedServer(port)
    except OSError as error:
        sys.exit(error.strerror)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    _silence()
    server.serve_forever()


def _exit_with(parent: int) -> None:
    """Ends this process once the parent has ended, however it ended.

    PR_SET_PDEATHSIG would fire when the parent's *thread* ends; a process descriptor waits for all of it. It is
    taken before the parent is looked up, so that a parent that died meanwhile, its number used again, is seen.
    """
    if sys.platform == "linux":
        try:
            descriptor = os.pidfd_open(parent)
        except OSError:
            os._exit(0)
        if os.getppid() == parent:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll()
    else:
        while os.getppid() == parent:
            time.sleep(_POLL_SECONDS)
    os._exit(0)


def _silence() -> None:
    """From here on nobody reads what this process prints; moto prints on unknown requests."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.dup2(null, sys.stderr.fileno())
    os.close(null)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
