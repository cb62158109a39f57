"""What stands in the graph for mappings that cannot be loaded: an asset each that says why, and a check that fails."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import dagster as dg

from dagster_defs.migrations import Broken
from dagster_defs.step import distinct_names

GROUP = "broken"
CHECK = "can_be_loaded"


def broken_mappings(broken: Sequence[Broken]) -> dg.Definitions:
    """Nothing where none is broken. Keys have three parts: two would be those of a migration that is named so."""
    if not broken:
        return dg.Definitions()
    names = distinct_names(one.path.stem for one in broken)  # one of each, in their order
    keys = {dg.AssetKey([GROUP, "mapping", name]): one for name, one in zip(names, broken, strict=True)}

    @dg.multi_asset_check(
        name=f"{GROUP}_mappings",
        specs=[dg.AssetCheckSpec(CHECK, asset=key, description=one.problem) for key, one in keys.items()],
    )
    def checks() -> Iterator[dg.AssetCheckResult]:
        for key, one in keys.items():
            yield dg.AssetCheckResult(asset_key=key, check_name=CHECK, passed=False, description=one.problem)

    return dg.Definitions(assets=[_asset(key, one) for key, one in keys.items()], asset_checks=[checks])


def _asset(key: dg.AssetKey, broken: Broken) -> dg.AssetSpec:
    return dg.AssetSpec(
        key=key,
        group_name=GROUP,
        kinds={"yaml"},
        description=f"This mapping cannot be loaded. {broken.problem}\n\nMend it (`crossover check` tells all its "
        "problems), then reload the definitions.",
        metadata={"mapping_path": dg.MetadataValue.path(str(broken.path.absolute()))},
    )
