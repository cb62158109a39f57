"""An application of one commit, for tests that kill it or let it fork.

    python -m tests.dual_write_app URL MAPPING WAREHOUSE commit|fork

`commit`: writes an order and says so once that has returned. `fork`: a child does, after its parent has; then the
parent once more. Prints what has been left to the relay, a line each.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from pipelines.migration import Migration
from tests.captured_shop import Captured
from tests.dual_written_shop import Application, Order, application


def _commit(app: Application, id: int) -> None:
    app.put(Order(id=id, customer=1))
    sys.stdout.write(f"{id}: {dict(app.writer.counts().left_to_relay)}\n")
    sys.stdout.flush()


def _fork(app: Application) -> None:
    _commit(app, 1)
    time.sleep(0.5)  # its worker is idle by then, and ready for work in the eyes of a child that has none
    child = os.fork()
    if child == 0:
        app.engine.dispose(close=False)
        _commit(app, 2)
        os._exit(0)
    os.waitpid(child, 0)
    _commit(app, 3)


if __name__ == "__main__":
    url, mapping, warehouse, what = sys.argv[1:]
    shop = Captured(url, Migration.open(Path(mapping), Path(warehouse)))
    with application(shop, deadline_seconds=20.0) as app:
        if what == "fork":
            _fork(app)
        else:
            _commit(app, 1)
