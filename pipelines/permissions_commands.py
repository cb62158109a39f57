"""The command `crossover permissions`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pipelines.command import Command, CommandResult, add_mapping_argument
from pipelines.errors import UsageError
from pipelines.permissions.purpose import Purpose

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipelines.permissions.grants import Statement
    from pipelines.permissions.permissions import Permissions


def _arguments(parser: argparse.ArgumentParser) -> None:
    add_mapping_argument(parser)
    parser.add_argument(
        "--for",
        dest="purposes",
        nargs="+",
        choices=[one.value for one in Purpose],
        metavar="ROLE",
        default=[],
        help=f"{', '.join(Purpose)}; all unless given",
    )
    kind = parser.add_mutually_exclusive_group()
    kind.add_argument("--sql", action="store_true", help="the GRANTs alone")
    kind.add_argument("--iam", action="store_true", help="the IAM policies alone; asks nothing of the database")
    parser.add_argument("--database-role", metavar="NAME", help="who gets the GRANTs; crossover_ROLE unless given")
    parser.add_argument("--account", metavar="ID", help="the AWS account, twelve digits")
    parser.add_argument("--region", metavar="R", help="of the DynamoDB tables; AWS_REGION unless given")


def _permissions(arguments: argparse.Namespace) -> CommandResult:
    from pipelines.aws import REGION
    from pipelines.mapping.load import load_mapping
    from pipelines.permissions.permissions import permissions, read_source, used_of
    from pipelines.settings import optional
    from pipelines.source.connect import source_url

    purposes = [Purpose(one) for one in arguments.purposes] or [*Purpose]
    if arguments.database_role is not None and (arguments.iam or len(purposes) > 1):
        raise UsageError("--database-role: give one ROLE with --for, and leave --iam out")
    mapping = load_mapping(arguments.mapping)
    source = None if arguments.iam else read_source(mapping, source_url(mapping))
    region = arguments.region or optional(REGION)
    used = None if arguments.sql else used_of(mapping, region, arguments.account)
    found = permissions(purposes, arguments.database_role, source, used)
    document: dict[str, JsonValue] = {
        "migration": mapping.migration,
        "roles": {one.purpose.value: _document(one) for one in found},
    }
    alone = len(found) == 1 and arguments.iam
    return CommandResult(document, [line for one in found for line in _lines(one, bare=alone)])


def _document(one: Permissions) -> dict[str, JsonValue]:
    document: dict[str, JsonValue] = {"for": one.purpose.serves}
    if one.grants is not None:
        document["database_role"] = one.role
        document["sql"] = [statement.sql for statement in one.grants if statement.sql]
        document["notes"] = [statement.why for statement in one.grants if not statement.sql]
    if one.statements is not None:
        document["policy"] = _policy(one)
    return document


def _policy(one: Permissions) -> JsonValue:
    from pipelines.permissions.policy import policy

    return policy(one.statements) if one.statements else None


def _lines(one: Permissions, *, bare: bool) -> Iterator[str]:
    """SQL is psql's to run as it stands; `bare`: a policy is JSON as it stands, else under a heading."""
    if not bare:
        yield f"-- {one.purpose}: {one.purpose.serves}"
    if one.grants is not None:
        yield from script(one.role, one.grants)
    if one.statements or (bare and one.statements is not None):
        yield from json.dumps(_policy(one), indent=2).splitlines()
    if not bare:
        yield ""


def script(role: str, grants: Sequence[Statement]) -> Iterator[str]:
    if any(one.sql for one in grants):
        yield f'-- the role, where there is none yet: CREATE ROLE "{role}" LOGIN; then \\password "{role}"'
    said = ""
    for one in grants:
        if one.why and one.why != said:
            yield f"-- {one.why}"
        said = one.why
        if one.sql:
            yield f"{one.sql};"


COMMAND = Command("permissions", "print the GRANTs and the IAM policies that each part needs", _arguments, _permissions)
