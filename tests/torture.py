"""Whether tests take their large counts, as for `make torture`; what is left out otherwise is more of the same."""

from __future__ import annotations

import os

TORTURE = os.environ.get("CROSSOVER_TORTURE") == "1"
