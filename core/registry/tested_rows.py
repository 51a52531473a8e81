"""The rows that the figures of a version rest on, and those it was trained on, as its lineage records them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from core.registry.documents import ModelVersion
from core.registry.language_models import writes_texts

TRAINED_ON = frozenset({"draws", "validation", "file", "documents"})
"""Names of the data in a lineage that a version learned from; it was tested on the others."""
_MAIN_PANEL = "test"
UNKNOWN = "its registration does not say on how many rows"


class TestedRows(NamedTuple):
    """How many rows, and which; 0 rows if the lineage does not say."""

    n_rows: int
    window: str


def tested_rows(version: ModelVersion) -> TestedRows:
    """Return the rows on which the metrics of a version were measured.

    A session measures on its test panels, of which the first gives the bare metrics; a training on a file measures on
    the rows that it held out.
    """
    split, is_of_texts = version.lineage.get("split"), writes_texts(version.lineage)
    if isinstance(split, Mapping) and (n_rows := _count(split.get("n_tested"))):
        how = "each held out once by cross-validation" if split.get("is_cross_validated") else "held out of the file"
        return TestedRows(n_rows, f"{'documents' if is_of_texts else 'rows'} {how}")
    data = version.lineage.get("data")
    panels = (
        {name: entry for name, entry in data.items() if name not in TRAINED_ON} if isinstance(data, Mapping) else {}
    )
    name = _MAIN_PANEL if _MAIN_PANEL in panels else next(iter(panels), "")
    entry = panels.get(name)
    if isinstance(entry, Mapping) and (n_rows := _count(entry.get("n_rows"))):
        seed = f", seed {entry['seed']}" if "seed" in entry else ""
        which = "documents that it has not seen" if is_of_texts else f"rows of the panel {name}"
        return TestedRows(n_rows, f"{which}{seed}")
    return TestedRows(0, UNKNOWN)


def n_trained_rows(version: ModelVersion) -> int:
    """Return how many rows the training of a version read: pooled draws, its file or documents; 0 if unknown."""
    data = version.lineage.get("data")
    entries = [data.get(name) for name in ("draws", "file", "documents")] if isinstance(data, Mapping) else []
    return next((n for entry in entries if isinstance(entry, Mapping) and (n := _count(entry.get("n_rows")))), 0)


def files_learned_from(version: ModelVersion) -> frozenset[str]:
    """Return the SHA-256 of the files that a version learned from: of its training, and those it was registered with.

    A registration by hand names its training data as it likes (`--data NAME=SHA256`).
    """
    data = version.lineage.get("data")
    entries = data if isinstance(data, Mapping) else {}
    file = entries.get("file")
    found = [*entries.values(), file.get("sha256") if isinstance(file, Mapping) else None]
    return frozenset(each for each in found if isinstance(each, str))


def _count(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
