"""Dual write: an application's commit waits, within a deadline, until its items are in DynamoDB, too.

writer      DualWriter: what an application is given
sessions    SQLAlchemy's sessions
plain       psycopg's connections
handover    from a commit to the workers, and back within the deadline
waiting     what one commit waits for
queue       items that are to be delivered, each by one worker at a time
workers     threads, each with a deliverer of its own
opening     deliverers on the application's own DynamoDB client
notices     warnings that come with each of many commits, logged once in a while
breaker     whether commits wait at all while nothing can be delivered
counts      what has become of the commits
"""

from pipelines.dualwrite.counts import Counts
from pipelines.dualwrite.writer import DualWriter

__all__ = ["Counts", "DualWriter"]
