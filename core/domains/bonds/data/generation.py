"""What `bondx data generate bonds` writes. Light to import."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta

from core.domains.bonds.data.settings import MAX_ROWS, MAX_SEED, PanelSettings
from core.domains.generator import Generated


class BondOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a panel of bonds."""

    rows: Annotated[int, Meta(ge=1, le=MAX_ROWS, description="Bonds to draw.")] = 1000
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="Same seed, same bytes.")] = 42


def write(options: BondOptions, folder: Path, formats: Sequence[str]) -> Generated:
    """Draw a panel and write it with its lineage."""
    from core.domains.bonds.data import generate, write_panel

    panel = generate(PanelSettings(n_rows=options.rows, seed=options.seed))
    lineage = write_panel(panel, folder, formats=cast(Any, formats))
    return Generated(lineage, f"{len(panel.bonds)} synthetic bonds, seed {options.seed}")
