"""What a database role or an AWS identity is for. One may be given several."""

from __future__ import annotations

from enum import StrEnum


class Purpose(StrEnum):
    READER = "reader"
    VERIFIER = "verifier"
    INSTALLER = "installer"
    RELAY = "relay"
    REVERSE = "reverse"
    WRITES = "writes"
    BACKFILL = "backfill"
    APPLICATION = "application"
    DUAL_WRITE = "dual-write"
    MASTERS = "masters"
    ROUTING = "routing"
    ROUTE = "route"
    TABLES = "tables"
    IMPORT = "import"
    EXPORT = "export"
    RDS_EXPORT = "rds-export"
    MONITORING = "monitoring"
    ALARMS = "alarms"
    NOTIFICATIONS = "notifications"
    WAREHOUSE = "warehouse"

    @property
    def serves(self) -> str:
        """The commands, in a few words."""
        return _SERVES[self]

    @property
    def default_role(self) -> str:
        """Of the database."""
        return f"crossover_{self.value.replace('-', '_')}"


_SERVES = {
    Purpose.READER: "check, snapshot, dump, and diff without reading again",
    Purpose.VERIFIER: "verify, which reads again what differs",
    Purpose.INSTALLER: "capture install, status, upgrade, uninstall",
    Purpose.RELAY: "relay, sweep, repair, and a dual write's connection to the ledger",
    Purpose.REVERSE: "relay --reverse, and the drain of a switch back to RDS",
    Purpose.WRITES: "writes, which switches a group's master and shows it",
    Purpose.BACKFILL: "backfill, live and cold; import, in the database",
    Purpose.APPLICATION: "the application whose writes are captured",
    Purpose.DUAL_WRITE: "the application's dual write, in AWS",
    Purpose.MASTERS: "the application's Masters: its writes while DynamoDB is the master, and which store that is",
    Purpose.ROUTING: "the application's Router, on the control table; its own reads are beside these",
    Purpose.ROUTE: "route, which makes the control table",
    Purpose.TABLES: "tables",
    Purpose.IMPORT: "backfill --mode import, beside `tables`",
    Purpose.EXPORT: "dump --from export",
    Purpose.RDS_EXPORT: "snapshot --from rds-export",
    Purpose.MONITORING: "metrics to CloudWatch",
    Purpose.ALARMS: "alarms --apply and --remove",
    Purpose.NOTIFICATIONS: "the topic of SNS that CROSSOVER_NOTIFY names, where Dagster's code server runs",
    Purpose.WAREHOUSE: "all commands but check and tables, where the warehouse is in S3",
}
