"""Who may enter the embedded server: one user, by a password that only this user of the machine can read."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

AUTHENTICATION = "scram-sha-256"

_CLOSED = f"""\
# Everybody on this machine reaches 127.0.0.1.
host all all 127.0.0.1/32 {AUTHENTICATION}
"""


def password_file(data: Path) -> Path:
    """Beside the cluster; its content is the password and nothing else."""
    return data / "password"


def read_password(data: Path) -> str | None:
    """None where there is none yet."""
    try:
        return password_file(data).read_text(encoding="ascii").strip() or None
    except (FileNotFoundError, UnicodeDecodeError):
        return None


def new_password() -> str:
    """Of characters that mean nothing in a URL, nor in SQL."""
    return secrets.token_urlsafe(24)


def write_password(data: Path, password: str) -> None:
    """Never readable by others, not even for a moment; whole or not at all."""
    temporary = data / f".password.{secrets.token_hex(4)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{password}\n")
    temporary.replace(password_file(data))


def lets_everybody_in(cluster: Path) -> bool:
    """As clusters did that were made without a password."""
    lines = (cluster / "pg_hba.conf").read_text(encoding="utf-8", errors="replace").splitlines()
    rules = [line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return not rules or any("trust" in rule for rule in rules)


def close_door(cluster: Path) -> None:
    """In place, so that the file keeps its owner; half written it has no rule, and is written again."""
    (cluster / "pg_hba.conf").write_text(_CLOSED, encoding="utf-8")
