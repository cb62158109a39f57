"""What is left to people: deleting the source. Said, never done."""

from __future__ import annotations

import re
import shlex

from pipelines.source.address import source_address

_RDS = re.compile(
    r"(?P<id>[a-z][a-z0-9-]*)\.(?P<kind>cluster-|proxy-)?[a-z0-9]+\.(?P<region>[a-z0-9-]+)\.rds\.amazonaws\.com"
)


def farewell(url: str, migration: str) -> tuple[str, ...]:
    """A line for each thing to do, in order. Never shows the URL's password."""
    found = _RDS.match(source_address(url).identity)
    name, region = ("INSTANCE", "REGION") if found is None else (found["id"], found["region"])
    is_cluster = found is not None and found["kind"] == "cluster-"
    last = f"{name}-last-before-dynamodb"
    where = f"--region {shlex.quote(region)}"
    kind, option = ("cluster", "--db-cluster-identifier") if is_cluster else ("instance", "--db-instance-identifier")
    unprotect = f"aws rds modify-db-{kind} {option} {name} --no-deletion-protection --apply-immediately {where}"
    delete = f"aws rds delete-db-{kind} {option} {name} --final-db-snapshot-identifier {last} {where}"
    return (
        "The source is frozen and is still there; relays have ended by themselves. What is left, by hand, once nobody "
        "misses it:",
        "1. Nobody is connected: SELECT usename, application_name, client_addr FROM pg_stat_activity WHERE datname = "
        "current_database();",
        "2. Other databases and schemas of the instance: nothing else lives there, or it moves first.",
        "3. Proof and archive lie where nobody deletes them; `sha256sum -c SHA256SUMS` in the archive's folder.",
        *(
            ("4. Aurora: delete the cluster's instances first (aws rds delete-db-instance), then:",)
            if is_cluster
            else ()
        ),
        f"{'5' if is_cluster else '4'}. {unprotect}",
        f"   {delete}",
        "   This takes a last snapshot, which keeps; automated backups and read replicas go, or are deleted likewise.",
        "Then what only it needed: RDS Proxy, security groups and subnet group, parameter and option groups, the "
        "secret in Secrets Manager and its rotation, DMS tasks and replication instances, DNS names, alarms and "
        "dashboards (`crossover alarms`), IAM policies of capture, relays and snapshots, the relays' services.",
        f"The control table crossover-{migration} stays as long as applications use `Router`, `Masters` or `Items`.",
    )
