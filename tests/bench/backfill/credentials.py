"""Credentials with which everybody signs, and a stub that asks for none."""

from __future__ import annotations

import os

REGION = "eu-central-1"


def set_credentials() -> None:
    os.environ |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": REGION}
