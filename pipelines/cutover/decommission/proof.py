"""The proof: what was decided, when and by whom, what the last verification found, and what the archive holds.

`proof.json` bears its own SHA-256, of the document without it, as JSON with sorted keys, no white space, and every
character above ASCII escaped: `sha256_of` makes it again. `proof.html` shows the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipelines.cutover.decommission.archive import ArchiveManifest
from pipelines.cutover.record import Move
from pipelines.warehouse.manifest import DiffManifest
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from pydantic import JsonValue

JSON, HTML = "proof.json", "proof.html"
OWN = "sha256"


def proof_document(
    migration: str,
    mapping_hash: str,
    moves: Iterable[Move],
    diff: DiffManifest,
    archive: ArchiveManifest,
    now: datetime,
) -> dict[str, JsonValue]:
    document: dict[str, JsonValue] = {
        "format": 1,
        "crossover": version("crossover"),
        "migration": migration,
        "mapping_hash": mapping_hash,
        "made_at": now.isoformat(timespec="seconds"),
        "states": [_state(move) for move in moves],
        "verification": {
            "run_id": diff.id,
            "snapshot_id": diff.snapshot_id,
            "snapshot_started_at": _iso(diff.snapshot_started_at),
            "finished_at": _iso(diff.finished_at),
            "epoch": diff.epoch,
            "coverage": diff.coverage,
            "consistent": diff.consistent,
            "source_records": diff.source_records,
            "target_items": diff.target_items,
            "compared": diff.union,
            "verdicts": {name: count for name, count in diff.verdicts.model_dump().items() if count},
            "item_types": {
                name: {verdict: count for verdict, count in found.model_dump().items() if count}
                for name, found in diff.item_types.items()
            },
        },
        "archive": {
            "id": archive.id,
            "source": archive.source,
            "taken_at": archive.started_at.isoformat(timespec="seconds"),
            "tables": {
                name: {"rows": table.rows, "columns": list(table.columns)} for name, table in archive.tables.items()
            },
            "files": [file.model_dump() for file in archive.files],
        },
    }
    return {**document, OWN: sha256_of(document)}


def sha256_of(document: Mapping[str, JsonValue]) -> str:
    """Of all but its own."""
    content = {name: value for name, value in document.items() if name != OWN}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def write_proof(folder: Place, document: Mapping[str, JsonValue]) -> Place:
    """Returns the page. The JSON comes last: where it is, the page is. Raises WarehouseError."""
    (folder / HTML).write_atomically(render_proof(document))
    (folder / JSON).write_atomically(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    return folder / HTML


def render_proof(document: Mapping[str, JsonValue]) -> str:
    """Self-contained: no script, no request. Everything that is put into it is escaped."""
    pages = Environment(
        loader=PackageLoader("pipelines.cutover"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters["count"] = lambda number: f"{number:,}"
    return pages.get_template("proof.html").render(proof=document)


def _state(move: Move) -> dict[str, JsonValue]:
    return {
        "at": move.at.isoformat(timespec="seconds"),
        "by": move.by,
        "from": move.of,
        "to": move.to,
        "ended": move.ended,
        "mapping_hash": move.mapping_hash,
        "gates": [{"gate": gate.name, "said": gate.said, "numbers": dict(gate.numbers)} for gate in move.gates],
    }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="seconds")
