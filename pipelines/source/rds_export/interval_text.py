"""How PostgreSQL prints intervals, and arrays of them, under IntervalStyle postgres: as RE2 has it.

https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-INTERVAL-OUTPUT
"""

from __future__ import annotations

from typing import Final

_CLOCK = r"[-+]?\d\d+:\d\d:\d\d(\.\d+)?"
_UNITS = r"[-+]?\d+ (years?|mons?|days?)"
_INTERVAL = rf"({_UNITS}( {_UNITS}){{0,2}}( {_CLOCK})?|{_CLOCK}|-?infinity)"
_AROUND = r"([{},\"\\]|[\[\]:\d-]+=)"  # of an array: braces, quotes, bounds; in an array of arrays they are quoted

INTERVALS: Final = rf"^{_INTERVAL}$|^{_AROUND}+(({_INTERVAL}|NULL){_AROUND}+)*$"
"""Matches a text that is one interval, or an array of any dimension."""
