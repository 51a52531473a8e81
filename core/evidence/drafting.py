"""Drafts about rows that come with a request: drafted, checked or written, and recorded with the rows beside them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from core.actor import Actor
from core.domains.narrative import QuotedCells, narratives_of
from core.errors import UsageError
from core.evidence.drafts import NarrativeDrafts, RecordedDraft
from core.files import write_file
from core.governance.audit import require_access
from core.plain_files import read_file
from core.state import Workspace
from core.text.sampling import sampling_options
from core.training.own_data.given_rows import rows_as_file
from core.training.text_writing import write_with_version

DRAFT_SEED: Final = 42
_FOLDER: Final = "drafts"


class DraftWish(msgspec.Struct, frozen=True, kw_only=True):
    """What to draft about which row.

    Attributes:
        domain: Whose reports the rows are; None: of the only domain with narratives.
        book: Of the row; None: the only book.
        date: Of the row, such as "2024-03-28"; None: the last day of the book.
        by: The model of language that writes it; None: the program words it from the cells.
        version: Its version; None: the live one, else the newest.
        seed: That it is drawn with; None: 42.
        text: What somebody has written about the row, to be checked in place of a draft.
        changes: The draft whose text `text` edits.
    """

    domain: str | None = None
    book: str | None = None
    date: str | None = None
    by: str | None = None
    version: str | None = None
    seed: int | None = None
    text: str | None = None
    changes: str = ""


def record_draft(
    workspace: Workspace, rows: Sequence[Mapping[str, Any]], wish: DraftWish, *, actor: Actor, reason: str = ""
) -> RecordedDraft:
    """Draft the narrative of one of some rows, trace its numbers to their cells, and record it for evidence packs.

    The rows are kept in the workspace as the file that the draft is traced to. Neither the draft nor a refusal holds a
    cell of a column that is denied, masked, personal or secret, unless `wish.text` does.

    Args:
        workspace: Where it is recorded.
        rows: Rows with the columns of the domain's reports.
        wish: What to draft.
        actor: Who records it.
        reason: Why, for the audit log.
    Raises:
        AccessRefusedError: No role of the actor allows it; the audit log has the refusal.
        NotFoundError: There is no such row, version, model or draft.
        TableError: The rows cannot be used.
        UsageError: Several rows fit, the wish contradicts itself, or a text is too long.
    """
    if wish.by is None and (wish.version is not None or wish.seed is not None):
        raise UsageError("version and seed are of the model in `by`: without it no model writes.")
    if wish.by is not None and wish.text is not None:
        raise UsageError("by and text exclude each other: either a model writes, or a text is checked.")
    if wish.changes and wish.text is None:
        raise UsageError("changes needs text, the edited text.")
    require_access(workspace, actor, "draft.record")
    drafts, offer, written = NarrativeDrafts(workspace), narratives_of(wish.domain), None
    if wish.changes:
        drafts.get(wish.changes)
    quoting = QuotedCells.in_force(workspace.root)
    with rows_as_file(rows) as file:
        if wish.by is not None:
            options = sampling_options(seed=DRAFT_SEED if wish.seed is None else wish.seed)
            beginning = offer.beginning(file, book=wish.book, date=wish.date, quoting=quoting)
            written = write_with_version(workspace, wish.by, wish.version, beginning, options, actor=actor)
        text = wish.text if written is None else written.text
        if text is None:
            note = offer.worded(file, book=wish.book, date=wish.date, quoting=quoting)
        else:
            note = offer.checked(text, file, book=wish.book, date=wish.date, quoting=quoting)
        content = read_file(file)
    kept = workspace.reports_dir / _FOLDER / f"{note.sha256}.jsonl"
    write_file(kept, content)
    return drafts.record(
        msgspec.structs.replace(note, file=str(kept)),
        actor=actor,
        written=written,
        is_worded_here=text is None,
        changes=wish.changes,
        reason=reason,
    )
