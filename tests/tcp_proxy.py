"""A wire to a server on 127.0.0.1 that can be cut, or can change what the server says."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

ToClient = Callable[[bytes], bytes]
"""Is given what the server sends, piece by piece, and says what the client gets. May raise CutError."""


class CutError(Exception):
    """Both ends are reset, as by a network that fails."""


@contextlib.contextmanager
def tcp_proxy(upstream_port: int, to_client: ToClient = lambda data: data) -> Iterator[int]:
    """Gives the port to connect to. `to_client` is called by many threads."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    open_sockets: set[socket.socket] = set()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", upstream_port))
                open_sockets.update((client, server))
                for work in ((client, server, lambda data: data), (server, client, to_client)):
                    threads.append(threading.Thread(target=_copy, args=work, daemon=True))
                    threads[-1].start()

    threads: list[threading.Thread] = []
    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        acceptor.join()
        for one in open_sockets:
            _reset(one)
        for thread in threads:
            thread.join()
        for one in open_sockets:
            one.close()


def _copy(source: socket.socket, sink: socket.socket, change: ToClient) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(change(data))
        sink.shutdown(socket.SHUT_WR)
    except (CutError, OSError):
        _reset(sink)
        _reset(source)
    except BaseException:
        _reset(sink)  # or the client would wait for ever for what a failed `to_client` has kept
        _reset(source)
        raise


def _reset(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
