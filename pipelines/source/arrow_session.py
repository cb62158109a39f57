"""Sessions of the ADBC driver, which gives rows as Arrow batches.

Through ADBC's low-level interface: its DB-API needs pyarrow.dataset, which takes pandas along, and the two cost a
command more time than all else that it does before the first row.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import adbc_driver_postgresql
import pyarrow as pa
from adbc_driver_manager import AdbcConnection, AdbcDatabase, AdbcStatement
from adbc_driver_manager import Error as ArrowError
from adbc_driver_manager._reader import AdbcRecordBatchReader  # pyarrow's own loses an error's SQLSTATE in mid-stream

__all__ = ["ArrowError", "ArrowSession", "ArrowSessions"]

_BATCH_BYTES = adbc_driver_postgresql.StatementOptions.BATCH_SIZE_HINT_BYTES.value


class ArrowSession:
    """Not in autocommit mode. For one thread at a time, but for `cancel`. All methods raise ArrowError, with the
    `sqlstate` that the server gave."""

    def __init__(self, database: AdbcDatabase) -> None:
        self._connection = AdbcConnection(database)
        self._connection.set_autocommit(False)

    def execute(self, statement: str) -> None:
        """Rows are thrown away, but read: an error after the first of them would stay unseen."""
        with self.rows(statement) as batches:
            for _ in batches:
                pass

    @contextmanager
    def rows(self, query: str, batch_bytes: int | None = None) -> Iterator[Iterator[pa.RecordBatch]]:
        """The query's rows as they come, in batches of about `batch_bytes`."""
        with AdbcStatement(self._connection) as statement:
            if batch_bytes is not None:
                statement.set_options(**{_BATCH_BYTES: str(batch_bytes)})
            statement.set_sql_query(query)
            stream, _ = statement.execute_query()
            with closing(AdbcRecordBatchReader._import_from_c(stream.address)) as reader:
                yield iter(reader)

    def commit(self) -> None:
        self._connection.commit()

    def rollback(self) -> None:
        self._connection.rollback()

    def cancel(self) -> None:
        """What is under way, from another thread."""
        self._connection.cancel()

    def close(self) -> None:
        self._connection.close()


class ArrowSessions:
    """`count` of them, from libpq's connection string. The driver reads all of the server's types once for them all,
    by one more session that is closed again. Raises ArrowError."""

    def __init__(self, conninfo: str, count: int = 1) -> None:
        with ExitStack() as stack:
            database = stack.enter_context(closing(adbc_driver_postgresql.connect(conninfo)))
            self.all = tuple(stack.enter_context(closing(ArrowSession(database))) for _ in range(count))
            self._opened = stack.pop_all()

    def close(self) -> None:
        self._opened.close()
