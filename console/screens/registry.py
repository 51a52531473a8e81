"""Screen 3: every version of every model, its stage and its evidence."""

from collections.abc import Collection

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal

from console.presentation import versions
from console.presentation.keys import with_keys
from console.presentation.phrases import counted
from console.screens.base import ConsoleScreen
from console.screens.lineage_pane import LineagePane
from console.screens.marking import Marks, row_keys, versions_to_compare
from console.verbs.chosen import Chosen, spared_sentences
from console.verbs.playground import WRITER, writer_of
from console.verbs.retraining import RETRAINED
from console.verbs.suspect import SUSPECT
from console.verbs.verb import Things
from console.verbs.version import MODEL, MOVED, VERSION, VERSIONS, ModelRow, VersionName
from console.verbs.view import EVIDENCE
from core.errors import UsageError
from core.registry import ModelVersion
from core.registry.stages import Stage
from core.view.snapshot import Snapshot
from core.view.suspects import standing_of
from themes import screen_sheet
from widgets.line import Line
from widgets.lines_pane import LinesPane
from widgets.live_table import LiveTable


class RegistryScreen(ConsoleScreen):
    """Promote, roll back, undo; start a canary; compare two versions; see a lineage."""

    NAME = "registry"
    SAVED_AS = {"#versions": "versions"}
    CSS_PATH = screen_sheet(NAME)
    NOUNS = (VERSION, WRITER, SUSPECT, MODEL, MOVED, VERSIONS, RETRAINED, EVIDENCE)
    PARTS = dict.fromkeys(("#versions", "#models", "#details", "#lineage", "#lineage-facts"), "registry")

    def __init__(self) -> None:
        super().__init__()
        self._marks = Marks()
        self._only_live = False
        self._is_opened_fold = False

    def compose_body(self) -> ComposeResult:
        """Yield the versions, and the details of the version under the cursor beside them."""
        with Horizontal(classes="list-and-details"):
            yield LiveTable(
                versions.COLUMNS,
                empty="No version is registered yet. A session registers its best models when it ends; 2 shows it.",
                id="versions",
                classes="pane main",
            )
            yield LiveTable(versions.MODEL_COLUMNS, empty="No model is live.", id="models", classes="pane main")
            yield LineagePane(id="tree", classes="main")
            yield LinesPane(id="details", classes="pane details")

    def main_table(self) -> LiveTable:
        """Return the list of versions, or the lineage or the folded models in its place."""
        if self._draws_lineage:
            return self.lineage.table
        return self._models if self._is_folded else self._list

    @property
    def lineage(self) -> LineagePane:
        """The lineage of one model."""
        return self.query_one(LineagePane)

    @property
    def _list(self) -> LiveTable:
        return self.query_one("#versions", LiveTable)

    @property
    def _models(self) -> LiveTable:
        return self.query_one("#models", LiveTable)

    @property
    def _is_folded(self) -> bool:
        return self.has_class("-folded")

    @property
    def _lists_models(self) -> bool:
        """Whether the rows are models: the lineage lies over a folded list, too."""
        return self._is_folded and not self._draws_lineage

    @property
    def _draws_lineage(self) -> bool:
        return self.has_class("-tree")

    def show(self, snapshot: Snapshot) -> None:
        """Bring the panes in line with a snapshot."""
        app, table = self.console_app, self._list
        if app.frozen_at is None:
            self._marks.keep(snapshot.versions_by_key)
        known = snapshot.versions
        if self._only_live:
            known = tuple(version for version in known if version.stage is Stage.PRODUCTION)
        quarantined = {found.key for found in snapshot.quarantined}
        table.set_rows(
            versions.version_rows(known, app.now(), app.glyphs, marked=self._marks.keys, quarantined=quarantined)
        )
        n_versions, n_models = (
            counted(len(known), "version"),
            counted(len({version.model for version in known}), "model"),
        )
        counts = self.filter_words(table) or f"{n_versions} of {n_models}"
        marks = self._marks.words(row_keys(table))
        hidden = self._hidden("version", len(snapshot.versions) - len(known))
        self.set_title(table, "Versions", "  ".join(filter(None, (marks, hidden, counts))))
        if self._is_folded:
            self._show_models(snapshot)
        if self._draws_lineage:
            self._show_lineage()
        self._show_details()

    def _hidden(self, noun: str, n_hidden: int) -> str:
        """Say what `only live` hides."""
        return f"only live: {counted(n_hidden, noun)} hidden" if self._only_live else ""

    def _show_models(self, snapshot: Snapshot) -> None:
        app, table = self.console_app, self._models
        table.set_rows(versions.model_rows(snapshot, app.now(), app.glyphs, only_live=self._only_live))
        folded = f"{counted(len(snapshot.versions), 'version')} folded into {counted(table.n_all_rows, 'model')}"
        hidden = self._hidden("model", len(snapshot.models) - table.n_all_rows)
        words = (self._marks.words(()), hidden, self.filter_words(table) or folded)
        self.set_title(table, "Models", "  ".join(filter(None, words)))

    def _show_lineage(self) -> None:
        pane, app = self.lineage, self.console_app
        pane.show(self.snapshot, app.now(), app.glyphs, marked=self._marks.keys)
        n_versions = self.filter_words(pane.table) or counted(pane.n_versions, "version")
        words = "  ".join(filter(None, (self._marks.words(row_keys(pane.table)), n_versions)))
        self.set_title(pane.table, f"Lineage of {pane.model}, newest first", words)
        self.set_title(pane.facts, pane.facts_title)

    def _show_details(self, *, from_top: bool = False) -> None:
        pane = self.query_one("#details", LinesPane)
        version = self._version()
        if version is not None:
            lines = versions.detail_lines(version, self.snapshot, self.console_app.glyphs)
        elif self._draws_lineage:
            lines = list(self.lineage.facts.lines)
        else:
            lines = [Line((("Select a version.", "muted"),))]
        pane.show(lines, from_top=from_top)
        self.set_title(pane, "Details")

    def _version(self) -> ModelVersion | None:
        key = self.main_table().cursor_key
        if self._lists_models:
            key = versions.live_or_newest(self.snapshot, key or "")
        return self.snapshot.versions_by_key.get(key or "")

    def under_cursor(self) -> Things:
        """Return the version under the cursor, and its model; of a folded model only the model."""
        if self._lists_models:
            model = self._models.cursor_key
            if not model:
                return {}
            standing = standing_of(model, None, self.snapshot)
            return {MODEL: model, MOVED: ModelRow(model), SUSPECT: standing, RETRAINED: model}
        if (version := self._version()) is None:
            return {}
        return {
            VERSION: VersionName(version.model, version.version),
            WRITER: writer_of(version),
            VERSIONS: self._chosen(version),
            MODEL: version.model,
            MOVED: ModelRow(version.model, version.version),
            SUSPECT: standing_of(version.model, version.version, self.snapshot),
            RETRAINED: version.model,
        }

    def _chosen(self, current: ModelVersion) -> Chosen[VersionName]:
        """Return the marked versions that are shown, or the version under the cursor."""
        shown = self._marks.shown(row_keys(self.main_table()))
        by_key = self.snapshot.versions_by_key
        chosen = [by_key[key] for key in shown if key in by_key] or [current]
        unmarked = f"{current.model} {current.version}" if shown and current not in chosen else None
        return Chosen(
            things=tuple(VersionName(version.model, version.version) for version in chosen),
            are_marked=bool(shown),
            spared=spared_sentences("version", unmarked, len(self._marks.keys) - len(shown)),
            end=self._end,
        )

    def _end(self, done: Collection[VersionName]) -> None:
        """End the marks of the versions that were moved."""
        self._marks.end({f"{name.model}/{name.version}" for name in done})
        self.refresh_all()

    @on(LiveTable.RowHighlighted, "#models")
    @on(LiveTable.RowHighlighted, "#versions")
    def _another_version(self) -> None:
        self._show_details(from_top=True)
        self.show_standing()
        self.tick()

    @on(LiveTable.RowChosen, "#versions")
    def _row_chosen(self) -> None:
        self._open_details()
        self.query_one("#details").focus()

    # Less than every version

    def action_fold(self) -> None:
        """Show one line for each model, or every version again, with the cursor on the same model."""
        if self._draws_lineage:
            self.leave_view()
        version = self._version()
        self._is_opened_fold = False
        self.toggle_class("-folded")
        self.refresh_all()
        if version is not None:
            self.main_table().move_to(version.model if self._is_folded else version.key)
        self.main_table().focus()
        self._another_version()

    @on(LiveTable.RowChosen, "#models")
    def _model_chosen(self) -> None:
        """Show the versions of the model; Esc folds them again."""
        self.action_fold()
        self._is_opened_fold = True

    def action_only_live(self) -> None:
        """Show only what is live, or all again."""
        self._only_live = not self._only_live
        self.refresh_all()
        self.show_marks(self._marks.words(row_keys(self.main_table())))

    # The lineage in the list's place

    def action_tree(self) -> None:
        """Draw the lineage of the version under the cursor, or go back to the list."""
        if self._draws_lineage:
            self.leave_view()
        else:
            self.draw_lineage(self.main_table().cursor_key)

    def draw_lineage(self, key: str | None) -> None:
        """Draw the ancestors and descendants of a version."""
        key = key or self.main_table().cursor_key
        version = self.snapshot.versions_by_key.get(key or "")
        if version is None:
            self.say(with_keys("Select a version first; then {registry.tree} draws its lineage."), "muted")
            return
        self.add_class("-tree")
        self.lineage.open(version.model, version.key)
        self._show_lineage()
        self.lineage.table.move_to(version.key)
        self.lineage.table.focus()
        self._another_version()

    def leave_view(self) -> bool:
        """Go back to the list, with the cursor on the version selected in the lineage, or fold it again."""
        if self._draws_lineage:
            key = self.main_table().cursor_key
            self.lineage.table.filter_words = ""
            self.remove_class("-tree")
            self.show_row(key or "")
            self._list.focus()
            self._another_version()
            return True
        if self._is_folded or self._is_opened_fold:
            self.action_fold()
            return True
        return False

    def show_row(self, key: str) -> None:
        """Put the cursor of the list on a version, and show it if it was hidden."""
        self.unzoom()
        if self._draws_lineage:
            self.leave_view()
        if self._is_folded and self._models.move_to(key):
            return
        self.remove_class("-folded")
        if self._only_live and key not in {row.key for row in self._list.rows}:
            self._only_live = False
            self.refresh_all()
        super().show_row(key)

    @on(LiveTable.RowHighlighted, "#lineage")
    def _another_ancestor(self) -> None:
        self.lineage.show_facts()
        self.set_title(self.lineage.facts, self.lineage.facts_title)
        self._another_version()

    @on(LiveTable.RowChosen, "#lineage")
    def _ancestor_chosen(self, event: LiveTable.RowChosen) -> None:
        if self.lineage.unfold(event.row_key):
            self._show_lineage()
            self._another_version()
        else:
            self._row_chosen()

    def action_mark(self) -> None:
        """Mark the version to compare or to archive it, or remove its mark; a folded model has no version to mark."""
        version = self._version()
        if self._lists_models:
            self.say(with_keys("{registry.fold} unfolds the versions first: a mark is on one version."), "warn")
        elif version is not None:
            self._marks.toggle(version.key)
            self.show_marks(self._marks.words(row_keys(self.main_table())))

    def action_mark_all(self) -> None:
        """Mark every version that is shown and that `archive` may move together with others, or remove these marks."""
        if self._lists_models:
            self.action_mark()
            return
        resting = {v.key for v in self.snapshot.versions if v.stage not in (Stage.PRODUCTION, Stage.ARCHIVED)}
        keys = [row.key for row in self.main_table().rows if row.key in resting]
        if keys:
            self._marks.toggle_all(keys)
            self.show_marks(self._marks.words(row_keys(self.main_table())))
        else:
            self.say("Every version shown is live or archived: none is marked.", "muted")

    def clear_marks(self) -> bool:
        """Clear the marks."""
        return self._marks.clear()

    def action_compare(self) -> None:
        """Compare the two marked versions, or the version with the marked or live one."""
        try:
            shown = self._marks.shown(row_keys(self.main_table()))
            before, after = versions_to_compare(self.snapshot, shown, self._version())
        except UsageError as error:
            self.say(str(error), "warn")
        else:
            from console.dialogs.compare import compare_versions

            compare_versions(self.console_app, before.model, before.version, after.version)

    def action_why(self) -> None:
        """Show whether the version under the cursor may be promoted, gate by gate, and its evidence."""
        from console.dialogs.text_actions import show_why

        version = self._version()
        if version is None:
            super().action_why()
        else:
            show_why(self.console_app, version)
