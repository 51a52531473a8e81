"""The annex: drafts of narratives, each with what it is, what was traced to cells, and what could not be checked."""

from core.evidence.drafts import TEXT_WITHHELD, RecordedDraft
from core.evidence.pack import EvidenceSection, Figure
from core.evidence.sections.writing import SectionDraft
from core.evidence.sources import Recorded
from core.evidence.subject import Subject

NUMBER = 17
_ABOUT = (
    "Drafts for people to read and to correct. They are no findings about the subject of this pack, and no other "
    "section rests on them. Each says who or what wrote it. What a draft says is a fact of its source row only where "
    "the table of its facts names the cell and calls it confirmed; what is not confirmed is marked in the text."
)
_ALL_CHECKED = "nothing: every statement was held against the row"


def annex(subject: Subject) -> EvidenceSection | None:
    """Write section 17; None without a draft."""
    if not subject.drafts:
        return None
    section = SectionDraft(NUMBER, "Annex: drafts of narratives")
    section.say(_ABOUT)
    for recorded, draft, changes in subject.drafts:
        is_withheld = draft.is_withheld(subject.quoting)
        _add(section, recorded, draft.as_shown(subject.quoting), changes, is_withheld=is_withheld)
    return section.written()


def _add(
    section: SectionDraft, recorded: Recorded, draft: RecordedDraft, changes: list[str], *, is_withheld: bool
) -> None:
    name = draft.draft_id
    rows: list[tuple[str, Figure | str]] = [
        ("what it is", draft.author),
        ("about", recorded.figure(draft.about)),
        ("text", TEXT_WITHHELD if is_withheld else recorded.figure(draft.text)),
        ("source file", recorded.figure(draft.file)),
        ("SHA-256 of the source file", recorded.figure(draft.sha256)),
        ("facts not confirmed", recorded.figure(draft.n_unconfirmed)),
        ("not checked", recorded.figure(list(draft.unchecked)) if draft.unchecked else _ALL_CHECKED),
        ("recorded at", recorded.figure(recorded["drafted_at"])),
        ("recorded by", recorded.figure(draft.drafted_by)),
        ("changed since", " ".join(changes) or "no"),
    ]
    if draft.model:
        rows[1:1] = [
            ("model", recorded.figure(draft.model)),
            ("version", recorded.figure(draft.version)),
            ("SHA-256 of its manifest", recorded.figure(draft.manifest_sha256)),
            ("seed", recorded.figure(str(draft.seed))),
        ]
    if draft.changes:
        rows.append(("it changes the text of", recorded.figure(draft.changes)))
    section.table(f"Draft {name}", ("field", "entry"), rows)
    if not is_withheld:
        facts = [
            [
                *map(recorded.figure, (fact.written, fact.fact or None, fact.cell, fact.place)),
                recorded.figure(fact.problem) if fact.problem else "confirmed",
            ]
            for fact in draft.facts
        ]
        section.table(
            f"Facts of {name} and their cells", ("as the draft says it", "column", "cell", "row", "check"), facts
        )
    if draft.n_unconfirmed:
        section.lack(f"The confirmation of {draft.n_unconfirmed:,} facts of {name}, which are marked.")
    for change in changes:
        section.lack(f"The final state of {name}. {change}")
