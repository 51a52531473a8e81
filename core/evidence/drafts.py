"""Drafts of narratives that a workspace keeps: what was written about which row, by whom, and what was traced to cells.

A draft is never changed. A person who edits its text records another draft, which names the one that it changes.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from core.actor import Actor
from core.clock import Clock, utc_now
from core.domains.narrative import WITHHELD, DraftedNarrative, QuotedCells, TracedFact
from core.files import sha256_of
from core.governance.audit import audited
from core.governance.record import Evidence
from core.plain_files import open_regular
from core.text_limits import require_reason, require_text
from core.training.text_writing import VersionText

if TYPE_CHECKING:
    from core.state import Documents, Workspace

DATABASE: Final = "evidence"
TABLE: Final = "drafts"
TEXT_WITHHELD: Final = "withheld: it rests on a column of which no value may be quoted"
_SOME_ROW: Final = "a row of its file"
_PROBLEM_WITHHELD: Final = "it is not confirmed"


class RecordedDraft(msgspec.Struct, frozen=True, kw_only=True):
    """One draft.

    Attributes:
        draft_id: Such as "dr-0001".
        about: The row in words.
        text: The narrative; what is not confirmed is marked.
        facts: Every fact that was looked up, with its cell.
        file: The file of the row, as an absolute path.
        sha256: Of that file.
        n_unconfirmed: How many facts are marked.
        unchecked: What nothing was held against, a sentence each.
        is_worded_here: Whether the program worded it from the row, without a model.
        model: The model of language that wrote it; empty: none did.
        version: Its version.
        manifest_sha256: Of that version.
        seed: That it was drawn with.
        changes: The draft whose text this one edits; empty: none.
        unnamed: The row in words without any cell; empty in drafts of earlier releases, as the next two.
        named_by: The columns whose cells are in `about`.
        columns: The columns that its text may quote.
        drafted_at: When it was recorded.
        drafted_by: Who recorded it.
    """

    draft_id: str
    about: str
    text: str
    facts: tuple[TracedFact, ...]
    file: str
    sha256: str
    n_unconfirmed: int
    unchecked: tuple[str, ...] = ()
    is_worded_here: bool = False
    model: str = ""
    version: str = ""
    manifest_sha256: str = ""
    seed: int | None = None
    changes: str = ""
    unnamed: str = ""
    named_by: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    drafted_at: datetime
    drafted_by: str
    revision: int = 0

    @property
    def author(self) -> str:
        """Say what it is: whether it is synthetic, and who wrote it."""
        if self.model:
            return f"synthetic: a text of the model of language {self.model} {self.version}"
        if self.is_worded_here:
            return "worded by this program from the cells of the row; no model wrote it"
        return "written by a person or another program, and checked here"

    def is_withheld(self, quoting: QuotedCells) -> bool:
        """Say whether it may hold a cell of a column of which none is quoted now.

        What a draft of an earlier release may quote beside its facts is known only where the program worded it.
        """
        if self.unnamed:
            return any(map(quoting.hides, self.columns))
        is_known = self.is_worded_here or not quoting.hides_some
        return not is_known or any(quoting.hides(fact.fact) for fact in self.facts)

    def as_shown(self, quoting: QuotedCells) -> "RecordedDraft":
        """Return it as it is shown: without its text and the cells of hidden columns, where it may hold one."""
        named = self.without_names(quoting)
        if not self.is_withheld(quoting):
            return named
        facts = [fact for fact in self.facts if not quoting.leaves_out(fact.fact)]
        return msgspec.structs.replace(
            named,
            about=self.about_as_shown(quoting),
            text=TEXT_WITHHELD,
            facts=tuple(_shown_fact(fact, quoting, self._is_quoted(fact)) for fact in facts),
        )

    def without_names(self, quoting: QuotedCells) -> "RecordedDraft":
        """Return it without the names of columns that are not named."""
        columns, named_by = (
            tuple(each for each in names if not quoting.leaves_out(each)) for names in (self.columns, self.named_by)
        )
        return msgspec.structs.replace(self, columns=columns, named_by=named_by)

    def _is_quoted(self, fact: TracedFact) -> bool:
        """Whether a fact holds its cell as it is; where the column was hidden already, it holds a pseudonym."""
        return not self.unnamed or fact.fact in self.columns

    def about_as_shown(self, quoting: QuotedCells) -> str:
        """Return its row in words, named by its place where a cell in these words may not be quoted."""
        is_named = not any(map(quoting.hides, self.named_by)) if self.unnamed else not self.is_withheld(quoting)
        return self.about if is_named else self.unnamed or _SOME_ROW


class ToldDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A draft as it is listed.

    Attributes:
        draft: The draft.
        author: What it is, in words.
        changes: What has changed since, a sentence each.
    """

    draft: RecordedDraft
    author: str
    changes: tuple[str, ...]


class NarrativeDrafts:
    """The drafts of one workspace."""

    def __init__(self, workspace: "Workspace", *, clock: Clock = utc_now) -> None:
        """Open them.

        Args:
            workspace: The workspace.
            clock: The time.
        """
        self._workspace = workspace
        self._clock = clock

    @property
    def _documents(self) -> "Documents[RecordedDraft]":
        return self._workspace.database(DATABASE).documents(TABLE, RecordedDraft, key="draft_id")

    def all(self) -> list[RecordedDraft]:
        """Return every draft, the newest first."""
        if not self._workspace.state_file(DATABASE).exists():
            return []
        return sorted(self._documents.all(), key=_number, reverse=True)

    def told(self) -> list[ToldDraft]:
        """Return every draft, the newest first, with what has changed since it was recorded.

        None holds a cell of a column that is denied, masked, personal or secret by the settings in force.

        Raises:
            SettingsError: The settings cannot be read.
        """
        known = self.all()
        if not known:
            return []
        quoting = QuotedCells.in_force(self._workspace.root)
        return [
            ToldDraft(draft=each.as_shown(quoting), author=each.author, changes=tuple(self.changes_of(each, known)))
            for each in known
        ]

    def get(self, draft_id: str) -> RecordedDraft:
        """Return one.

        Raises:
            DocumentNotFoundError: There is none of this id.
        """
        return self._documents.get(draft_id)

    def record(
        self,
        draft: DraftedNarrative,
        *,
        actor: Actor,
        written: VersionText | None = None,
        is_worded_here: bool = False,
        changes: str = "",
        reason: str = "",
    ) -> RecordedDraft:
        """Record a draft for evidence packs.

        Args:
            draft: The draft.
            actor: Who records it.
            written: The text of a version that it holds; None: no version of this workspace wrote it.
            is_worded_here: Whether the program worded it from the row.
            changes: The draft whose text it edits.
            reason: Why, for the audit log.
        Raises:
            AccessRefusedError: The actor may not do `draft.record`.
            DocumentNotFoundError: There is no draft that it could change.
            UsageError: Its text is too long.
        """
        require_text("The text of the draft", draft.text)
        require_reason(reason)
        model = "" if written is None else written.model
        quoting = QuotedCells.in_force(self._workspace.root)
        with audited(self._workspace, DATABASE, actor=actor, reason=reason, clock=self._clock) as change:
            if changes:
                self.get(changes)
            number = max((_number(each) for each in self._documents.all()), default=0) + 1
            stored = self._documents.insert(
                RecordedDraft(
                    draft_id=f"dr-{number:04d}",
                    about=draft.about,
                    text=draft.text,
                    facts=draft.facts,
                    file=str(Path(draft.file).absolute()),
                    sha256=draft.sha256,
                    n_unconfirmed=draft.n_unconfirmed,
                    unchecked=draft.unchecked,
                    is_worded_here=is_worded_here,
                    model=model,
                    version="" if written is None else written.version,
                    manifest_sha256="" if written is None else written.manifest_sha256,
                    seed=None if written is None else written.seed,
                    changes=changes,
                    unnamed=draft.unnamed,
                    named_by=draft.named_by,
                    columns=draft.columns if model or is_worded_here else draft.of_row,
                    drafted_at=self._clock(),
                    drafted_by=str(actor),
                )
            )
            change.record(
                "draft.record",
                stored.draft_id,
                after={"about": stored.about_as_shown(quoting), "written": stored.author, "changes": changes},
                evidence=[Evidence(stored.file, stored.sha256)],
                model=model or None,
            )
        return stored.without_names(quoting)

    def changes_of(self, draft: RecordedDraft, among: Iterable[RecordedDraft] | None = None) -> list[str]:
        """Say what has changed since a draft was recorded, a sentence each: its text, and the file of its row.

        Args:
            draft: The draft.
            among: Every draft of the workspace, where they are known already.
        """
        known = self.all() if among is None else among
        later = sorted((each for each in known if each.changes == draft.draft_id), key=_number)
        said = [
            f"{each.drafted_by} changed its text at {each.drafted_at:%Y-%m-%d %H:%M} UTC: {each.draft_id}."
            for each in later
        ]
        return said + change_of_file(draft)


def _shown_fact(fact: TracedFact, quoting: QuotedCells, is_quoted: bool) -> TracedFact:
    """Return a fact of a withheld draft without a part of its text, and without a cell of a hidden column."""
    problem = _PROBLEM_WITHHELD if fact.problem else ""
    if fact.fact and not (is_quoted and quoting.hides(fact.fact)):
        return msgspec.structs.replace(fact, problem=problem)
    instead = WITHHELD if not fact.fact or fact.cell is None else quoting.instead(fact.fact, fact.cell)
    cell = None if fact.cell is None else instead
    return msgspec.structs.replace(fact, written=instead or WITHHELD, cell=cell, problem=problem)


def change_of_file(draft: RecordedDraft) -> list[str]:
    """Say whether the file that a draft was written about is another one by now."""
    name = Path(draft.file).name
    try:
        with open_regular(Path(draft.file)) as file:
            now = sha256_of(file)
    except OSError as error:
        return [f"Its file {name} cannot be read any more: {error.strerror or error}."]
    return [] if now == draft.sha256 else [f"Its file {name} was changed: its SHA-256 is now {now}."]


def with_changes(drafts: Sequence[RecordedDraft], wanted: Iterable[str]) -> list[RecordedDraft]:
    """Return some drafts and every later one that changes them, in the order of their numbers."""
    ids = set(wanted)
    found = []
    for draft in sorted(drafts, key=_number):
        if draft.draft_id in ids or draft.changes in ids:
            ids.add(draft.draft_id)
            found.append(draft)
    return found


def _number(draft: RecordedDraft) -> int:
    return int(draft.draft_id.removeprefix("dr-"))
