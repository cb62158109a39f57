"""The service's commands, on the databases that the environment names:

    python -m examples.orders_service place CUSTOMER PRODUCT=QUANTITY [PRODUCT=QUANTITY …]
    python -m examples.orders_service ship ORDER
    python -m examples.orders_service rename CUSTOMER NAME

Each is one transaction on PostgreSQL. `opened` is all that the service knows of Crossover.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, sessionmaker

from examples.orders_service.orders import OrderError, place_order, rename_customer, ship_order
from pipelines.dualwrite import DualWriter
from pipelines.errors import CrossoverError, UsageError
from pipelines.settings import SOURCE_URL, required

log = logging.getLogger("orders_service")

MAPPING = Path(__file__).parents[1] / "shop" / "shop.yaml"


@contextmanager
def opened(url: str, mapping: Path = MAPPING) -> Iterator[sessionmaker[Session]]:
    """Sessions whose commits are in DynamoDB, too, when they return; without the writer it is the same service on
    PostgreSQL alone. Raises UsageError where it is no URL."""
    engine = _engine(url)
    sessions = sessionmaker(engine)
    try:
        with DualWriter(mapping, engine).attach(sessions) as writer:
            yield sessions
        counts = writer.counts()
        log.info("delivered at once: %s, left to the relay: %s", counts.delivered, dict(counts.left_to_relay))
    finally:
        engine.dispose()


def main(arguments: Sequence[str]) -> int:
    logging.basicConfig(format="%(message)s")
    log.setLevel(logging.INFO)
    asked = _parser().parse_args(arguments)
    try:
        with opened(required(SOURCE_URL, "the shop's database")) as sessions, sessions.begin() as session:
            log.info(_carried_out(session, asked))
    except (OrderError, CrossoverError) as error:
        log.error(error)
        return 2
    return 0


def _engine(url: str) -> Engine:
    try:
        return create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    except ArgumentError:
        raise UsageError(f"{SOURCE_URL}: no URL; give postgresql://user@host/database") from None


def _carried_out(session: Session, asked: argparse.Namespace) -> str:
    now = datetime.now(UTC)
    match asked.command:
        case "place":
            return f"order {place_order(session, asked.customer, dict(asked.products), now)} is placed"
        case "ship":
            ship_order(session, asked.order, now)
            return f"order {asked.order} is shipped"
    rename_customer(session, asked.customer, asked.name)
    return f"customer {asked.customer} is {asked.name}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m examples.orders_service")
    commands = parser.add_subparsers(dest="command", required=True)
    place = commands.add_parser("place", help="an order, one line for each product")
    place.add_argument("customer", type=int)
    place.add_argument("products", type=_quantity, nargs="+", metavar="PRODUCT=QUANTITY")
    commands.add_parser("ship", help="an order").add_argument("order", type=int)
    rename = commands.add_parser("rename", help="a customer")
    rename.add_argument("customer", type=int)
    rename.add_argument("name")
    return parser


def _quantity(text: str) -> tuple[int, int]:
    product, _, quantity = text.partition("=")
    return int(product), int(quantity or 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
