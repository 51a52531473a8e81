"""The lineage of a model in the list's place: versions with their lines, and the facts of the selected version."""

from collections.abc import Sequence
from datetime import datetime

from textual.app import ComposeResult
from textual.containers import Vertical

from console.presentation import lineage
from core.registry.ancestry import Ancestry
from core.view.snapshot import Snapshot
from widgets.glyphs import Glyphs
from widgets.lines_pane import Caption
from widgets.live_table import LiveTable

_PARTS = ("versions", "aliases", "pruned")  # the parts of a snapshot that make a lineage


class LineagePane(Vertical):
    """A list drawn as a graph. Its cursor is on a version or on a fold of several versions."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002
        super().__init__(id=id, classes=classes)
        self.model = ""
        self._near = ""
        self._unfolded: set[str] = set()
        self._tree = Ancestry({}, ())
        self._drawn: Snapshot | None = None  # the input of the layout

    def compose(self) -> ComposeResult:
        """Yield the graph, and the facts below it."""
        yield LiveTable(
            (),
            empty="This model no longer has any version. Esc goes back.",
            sortable=False,
            id="lineage",
            classes="pane",
        )
        yield Caption(id="lineage-facts", classes="pane side")

    @property
    def table(self) -> LiveTable:
        """The versions."""
        return self.query_one("#lineage", LiveTable)

    @property
    def facts(self) -> Caption:
        """The facts of the version under the cursor."""
        return self.query_one("#lineage-facts", Caption)

    @property
    def facts_title(self) -> str:
        """The title of the facts."""
        return lineage.title(self._tree, self.table.cursor_key or "")

    @property
    def n_versions(self) -> int:
        """The number of versions drawn or folded, including pruned versions."""
        return len(self._tree.by_key)

    def open(self, model: str, near: str) -> None:
        """Show a model, unfolded around one of its versions."""
        self.model, self._near, self._drawn = model, near, None
        self._unfolded.clear()

    def unfold(self, row_key: str) -> bool:
        """Unfold a row; False if the row is a version."""
        keys = lineage.folded_keys(row_key)
        self._unfolded.update(keys)
        return bool(keys)

    def show(self, snapshot: Snapshot, now: datetime, glyphs: Glyphs, *, marked: Sequence[str] = ()) -> None:
        """Draw the lineage of a snapshot."""
        # A snapshot keeps unchanged parts as the same objects, so identity suffices.
        if any(getattr(snapshot, part) is not getattr(self._drawn, part, None) for part in _PARTS):
            self._drawn = snapshot
            self._tree = lineage.family(snapshot, self.model)
        table = self.table
        table.set_columns(lineage.columns(self._tree, self.model))
        table.set_rows(
            lineage.rows(
                self._tree,
                self.model,
                now,
                glyphs,
                near=self._near,
                unfolded=self._unfolded,
                marked=marked,
                flat=bool(table.filter_words),
            )
        )
        self.show_facts()

    def show_facts(self) -> None:
        """Show the facts of the version under the cursor."""
        self.facts.show(lineage.fact_lines(self._tree, self.table.cursor_key or ""))
