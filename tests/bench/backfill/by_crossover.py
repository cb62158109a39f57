"""Crossover's writers: `by_crossover cold|live URL ITEMS SIZE`."""

from __future__ import annotations

import sys
from itertools import cycle, islice

from pipelines.target.batch import Put, batches
from pipelines.target.batch_write import IN_FLIGHT, BatchWriter
from pipelines.target.client import Address
from pipelines.target.conditional_write import Sent, Write
from pipelines.target.live_write import IN_FLIGHT as LIVE_IN_FLIGHT
from pipelines.target.live_write import LiveWriter
from pipelines.target.wire import Wire
from tests.bench.backfill.credentials import REGION, set_credentials
from tests.bench.backfill.data import TABLE, key_of, texts
from tests.bench.backfill.said import say_cost


def cold(wire: Wire, rows: list[tuple[str, str]], items: int) -> int:
    ready = [(key, text.encode()) for key, text in rows]  # as they come from Parquet
    puts = (Put(key, item, 1) for key, item in islice(cycle(ready), items))
    return BatchWriter(wire).write(batches(TABLE, puts)).written


def live(wire: Wire, rows: list[tuple[str, str]], items: int) -> int:
    writes = (Write(TABLE, "pk", key, item, 1, None) for key, item in islice(cycle(rows), items))
    return sum(answered.sent is Sent.WRITTEN for answered in LiveWriter(wire).send(writes))


def main() -> None:
    how, url, items, size = sys.argv[1:]
    set_credentials()
    rows = [(key_of(text), text) for text in texts(int(size))]
    with Wire(Address(url, REGION), max(IN_FLIGHT, LIVE_IN_FLIGHT)) as wire:
        say_cost(lambda: {"cold": cold, "live": live}[how](wire, rows, int(items)))


if __name__ == "__main__":
    main()
