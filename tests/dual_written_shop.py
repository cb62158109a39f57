"""The shop of `tests.delivered_shop` as an application writes it through SQLAlchemy, with and without a DualWriter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from sqlalchemy import Engine, create_engine
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from pipelines.dualwrite import DualWriter
from tests.captured_shop import Captured


class Base(DeclarativeBase):
    pass


class Order(Base):
    __tablename__ = "orders"

    id: Mapped[int] = mapped_column(primary_key=True)
    customer: Mapped[int | None]
    note: Mapped[str | None]
    draft: Mapped[bool] = mapped_column(default=False)


class Line(Base):
    __tablename__ = "lines"

    order_id: Mapped[int] = mapped_column(primary_key=True)
    n: Mapped[int] = mapped_column(primary_key=True)
    product: Mapped[int | None]


class Seat(Base):
    __tablename__ = "seats"

    id: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[str | None]
    guest: Mapped[str | None]


@dataclass(frozen=True)
class Application:
    writer: DualWriter
    engine: Engine
    sessions: sessionmaker[Session]

    def put(self, *rows: Base) -> None:
        """Committed."""
        with self.sessions.begin() as session:
            for row in rows:
                session.merge(row)


@contextmanager
def application(shop: Captured, endpoint: str | None = None, **settings: Any) -> Iterator[Application]:
    """`endpoint`: of DynamoDB, in place of the environment's."""
    engine = create_engine(sqlalchemy_url(shop.url))
    sessions = sessionmaker(engine)
    try:
        with DualWriter(shop.migration, engine, client_of(endpoint), **settings) as writer:
            writer.attach(sessions)
            yield Application(writer, engine, sessions)
    finally:
        engine.dispose()


@contextmanager
def async_application(shop: Captured, endpoint: str) -> Iterator[tuple[DualWriter, async_sessionmaker[AsyncSession]]]:
    engine: AsyncEngine = create_async_engine(sqlalchemy_url(shop.url))
    sessions = async_sessionmaker(engine)
    with DualWriter(shop.migration, engine, client_of(endpoint), deadline_seconds=20.0) as writer:
        yield writer.attach(sessions), sessions


def client_of(endpoint: str | None) -> Any:
    return boto3.client("dynamodb", endpoint_url=endpoint) if endpoint else None


def sqlalchemy_url(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")
