"""Starts a program that dies with its parent and does not run as root. A script for the bare interpreter:

    python -I -S unprivileged.py PARENT_PID SIGNAL UID GID PROGRAM [ARGUMENT ...]

PostgreSQL refuses the effective uid 0. Called as root, this becomes UID, keeping the one capability that lets it
pass folders only root may enter, so that no folder's permissions need to change. Where that capability may not be
kept, or UID is 0, it enters a user namespace in which root bears another number. Called as another user it keeps it.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_DAC_OVERRIDE = 1
CAPABILITY_VERSION_3 = 0x20080522
CLONE_NEWUSER = 0x10000000
NAMESPACE_ID = 65534


def main(arguments: list[str]) -> None:
    parent, signal, uid, gid = (int(argument) for argument in arguments[:4])
    if os.geteuid() == 0:
        _leave_root(uid, gid)
    if sys.platform == "linux":
        # Last of all: a change of credentials clears it.
        _prctl(PR_SET_PDEATHSIG, signal)
        if os.getppid() != parent:
            sys.exit(f"process {parent} is gone")
    os.execv(arguments[4], arguments[4:])  # noqa: S606


def _leave_root(uid: int, gid: int) -> None:
    if uid != 0:
        try:
            _become(uid, gid)
            return
        except OSError as error:
            if os.geteuid() != 0:
                sys.exit(f"PostgreSQL cannot be started by root here ({error.strerror})")
    _enter_namespace()


def _become(uid: int, gid: int) -> None:
    _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    mask = 1 << CAP_DAC_OVERRIDE
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    sets = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    _checked(ctypes.CDLL(None, use_errno=True).capset(header, sets))
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def _enter_namespace() -> None:
    gid = os.getegid()
    try:
        _checked(ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER))
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"{NAMESPACE_ID} 0 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"{NAMESPACE_ID} {gid} 1", encoding="ascii")
    except OSError as error:
        sys.exit(f"PostgreSQL cannot be started by root here ({error.strerror}); run as another user")


def _prctl(option: int, *values: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    _checked(ctypes.CDLL(None, use_errno=True).prctl(option, *padded))


def _checked(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main(sys.argv[1:])
