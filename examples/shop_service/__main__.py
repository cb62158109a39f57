"""The service, on 127.0.0.1, on the databases that the environment names:

    python -m examples.shop_service [--port 8080] [--seed] [--catalog FILE]

`--seed` makes its tables and their first rows. It says `serving on URL` once it answers; SIGTERM or SIGINT ends it.
"""

from __future__ import annotations

import argparse
import logging
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

import psycopg
import uvicorn

from examples.shop_service.http import application
from examples.shop_service.seed import seed
from examples.shop_service.shop import MAPPING, Shop
from pipelines.errors import CrossoverError
from pipelines.settings import SOURCE_URL, required

log = logging.getLogger("shop_service")


def main(arguments: Sequence[str]) -> int:
    logging.basicConfig(format="%(message)s")
    log.setLevel(logging.INFO)
    asked = _parser().parse_args(arguments)
    try:
        url = required(SOURCE_URL, "the service's database")
        if asked.seed:
            seed(url)
        with Shop(url, asked.catalog, asked.mapping, asked.refresh_seconds) as shop:
            _serve(shop, asked.port)
    except (CrossoverError, OSError) as error:
        log.error(error)
        return 2
    except psycopg.Error as error:
        log.error("the database refuses: SQLSTATE %s", error.sqlstate)
        return 2
    return 0


def _serve(shop: Shop, port: int) -> None:
    with socket.create_server(("127.0.0.1", port), backlog=128) as listener:
        server = uvicorn.Server(uvicorn.Config(application(shop), log_level="warning", access_log=False))
        log.info("serving on http://127.0.0.1:%s", listener.getsockname()[1])
        server.run(sockets=[listener])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.shop_service")
    parser.add_argument("--port", type=int, default=8080, help="0: any free one")
    parser.add_argument("--seed", action="store_true", help="make the tables and their first rows")
    parser.add_argument("--catalog", type=Path, default=Path("shop-service.catalog.json"), help="made if absent")
    parser.add_argument("--mapping", type=Path, default=MAPPING)
    parser.add_argument(
        "--refresh-seconds",
        type=float,
        default=2.0,
        help="how old a query's stage may be; what was seen is written at every fifth",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
