"""What the page and the PDF of a pack say alike, so that no reader finds more in one than in the other."""

from core.clock import in_words
from core.evidence.pack import EvidencePack, EvidenceSource, EvidenceTable, SectionStatus

STATUS_WORDS = {
    SectionStatus.COMPLETE: "✓ recorded",
    SectionStatus.PARTIAL: "◐ recorded in part",
    SectionStatus.MISSING: "✗ not recorded",
}
SOURCES_ABOUT = (
    "What the figures came from, as it was read. The content of each is in evidence.json beside this {file}."
)
_LONGEST_FIGURE = 30
_NO_FIGURE = ("", "–")
SOURCE_COLUMNS = ("id", "kind", "place", "SHA-256", "vouched for by")


def title_of(pack: EvidencePack) -> str:
    """Return the heading of a pack."""
    return f"Evidence on {pack.title}"


def origin_of(pack: EvidencePack) -> str:
    """Say when, by whom and where a pack was built."""
    return (
        f"{pack.pack_id}, built {in_words(pack.built_at)} by {pack.built_by} from the workspace {pack.workspace} on "
        f"{pack.host}, release {pack.release}."
    )


def promise_of(pack: EvidencePack) -> str:
    """Say what the figures of a pack rest on, and what it lacks."""
    return (
        "Every figure links to the record that it came from, with its hash. The records are proved to be in the audit "
        f"log up to record {pack.proof.sequence:,}. What is not recorded is said as missing: {pack.n_missing} entries."
    )


def vouched(source: EvidenceSource) -> str:
    """Say what vouches for a source."""
    if source.record:
        return f"audit record {source.record}"
    return f"the list of files in {source.within}" if source.within else "no record: read when the pack was built"


def proof_rows(pack: EvidencePack) -> tuple[tuple[str, str], ...]:
    """Return what proves the quoted records."""
    proof = pack.proof
    return (
        ("newest record of the log", f"{proof.sequence:,}"),
        ("its hash (bondx audit anchor)", proof.hash),
        ("Merkle root over the log", proof.root),
        ("records quoted", f"{len(proof.records):,}"),
    )


def figure_columns(table: EvidenceTable) -> list[bool]:
    """Say of each column whether it holds figures, which are drawn to the right; the first names its row."""
    columns = ([row[place].text for row in table.rows] for place in range(len(table.columns)))
    return [place > 0 and any(texts) and all(map(_is_figure, texts)) for place, texts in enumerate(columns)]


def _is_figure(text: str) -> bool:
    if len(text) > _LONGEST_FIGURE:  # a hash may have no letter
        return False
    return text in _NO_FIGURE or text.lstrip("+-−<≤ ").replace(",", "").replace(".", "").replace("e-", "").isdigit()
