"""The lineage of a model as rows with lines, and the facts of the row under the cursor."""

from collections.abc import Collection
from datetime import datetime

from console.presentation.phrases import NOTHING, age, instant, number, share
from console.presentation.versions import STAGE_TONES
from core.registry import Stage
from core.registry.ancestry import Ancestor, Ancestry, ancestry
from core.registry.gates import ATTAINMENT
from core.registry.graph_layout import Fold, GraphRow, in_ascii
from core.registry.lineage import lineage_of
from core.view.snapshot import Snapshot
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.line import Line
from widgets.rows import Cell, Row

REACH = 4  # rows around the version in focus that are never folded
FOLD = "fold:"
GONE = "gone"
_SHOWN_HASH = 8
_METRIC_WIDTH = 7
_NAME_WIDTH = 9
_N_NAMED = 4  # descendants that are named one by one
_GRAPH_WIDTH = (3, 16)
_VERSION_WIDTH = (8, 24)


def family(snapshot: Snapshot, model: str) -> Ancestry:
    """Lay out the versions of a model with their ancestors and descendants."""
    graph = lineage_of(model, snapshot.versions, snapshot.pruned)
    return ancestry(graph, snapshot.versions, snapshot.aliases)


def columns(tree: Ancestry, model: str) -> tuple[Column, ...]:
    """Return the columns, as wide as this tree's lines and names."""
    graph = max((len(graph_row.text) for graph_row in tree.graph), default=0)
    label = max((len(_label(ancestor, model)) + 2 for ancestor in tree.by_key.values()), default=0)  # and a mark
    return (
        Column("graph", "", _within(graph, _GRAPH_WIDTH)),
        Column("version", "VERSION", _within(label, _VERSION_WIDTH)),
        Column("stage", "STAGE", 11),
        Column("aliases", "NAMES", 9, flex=1, max_width=24, priority=2, cut="middle"),
        Column("changes", "CHANGED", 11, priority=1),
        Column("age", "AGE", 4, align="right"),
        Column("metric", _metric_title(tree), _METRIC_WIDTH, align="right"),
        Column("data", "DATA", _SHOWN_HASH, priority=3),
        Column("run", "RUN", 7, priority=4),
    )


def rows(
    tree: Ancestry,
    model: str,
    now: datetime,
    glyphs: Glyphs,
    *,
    near: str,
    unfolded: Collection[str] = (),
    marked: Collection[str] = (),
    flat: bool = False,
) -> list[Row]:
    """Draw each version as a row of `columns`, newest first; the key of a fold names its versions.

    Args:
        tree: The lineage to draw.
        model: The model whose versions need no model before their number.
        now: The present.
        glyphs: The signs of this terminal.
        near: The version around which no row is folded.
        unfolded: Other versions that are not folded.
        marked: Versions marked for comparison.
        flat: Draw no lines and fold no rows, as for a list with gaps.
    """
    drawn = []
    for row in tree.rows((near,), reach=REACH, unfolded=unfolded, whole=flat):
        if isinstance(row, Fold):
            drawn.append(_fold_row(row, tree, glyphs))
        else:
            version_row = _version_row(row, tree, model, now, glyphs, flat=flat, is_marked=row.key in marked)
            drawn.append(version_row)
    return drawn


def fact_lines(tree: Ancestry, key: str) -> list[Line]:
    """Write out the facts that no row has room for: ancestors, descendants, training data and time of a version."""
    if keys := folded_keys(key):
        newest, oldest = tree.by_key[keys[0]], tree.by_key[keys[-1]]
        span = f"{_label(oldest, '')} to {_label(newest, '')}"
        return [_fact("folded", f"{len(keys):,} versions, {span}"), _fact("", "Enter shows them one by one.")]
    ancestor = tree.by_key.get(key)
    if ancestor is None:
        return []
    made = ", ".join((*ancestor.data, *([f"run {ancestor.run_id}"] if ancestor.run_id else [])))
    if ancestor.detail:
        third = _fact("number" if ancestor.stage else GONE, ancestor.detail)
    else:
        third = _fact("changed", ", ".join(ancestor.changes) or NOTHING)
    return [
        _fact("from", _sources_text(ancestor, tree)),
        _fact("became", _targets_text(ancestor, tree)),
        third,
        _fact("made", f"{instant(ancestor.created_at)}{f' from {made}' if made else ''}"),
    ]


def title(tree: Ancestry, key: str) -> str:
    """Name the subject of the facts."""
    ancestor = tree.by_key.get(key)
    return "" if ancestor is None else " ".join((ancestor.model, ancestor.version, *ancestor.aliases))


def folded_keys(key: str) -> tuple[str, ...]:
    """Return the versions in a fold, by the key of its row."""
    return tuple(key.removeprefix(FOLD).split()) if key.startswith(FOLD) else ()


def _version_row(
    graph_row: GraphRow, tree: Ancestry, model: str, now: datetime, glyphs: Glyphs, *, flat: bool, is_marked: bool
) -> Row:
    ancestor = tree.by_key[graph_row.key]
    stage = ancestor.stage
    stage_tone = "warn" if stage is None else STAGE_TONES.get(stage, "")
    node = (glyphs.dot if ancestor.is_live else glyphs.hollow if stage else glyphs.failed, stage_tone)
    before, after = ("", "") if flat else (_spelled(graph_row.before, glyphs), _spelled(graph_row.after, glyphs))
    data = ancestor.data[0].rpartition(" ")[2] if ancestor.data else NOTHING
    return Row(
        graph_row.key,
        (
            Line(((before, "muted"), node, (after, "muted"))),
            Line(((_label(ancestor, model), "strong"), (f" {glyphs.mark}" if is_marked else "", "accent"))),
            Cell(str(stage or GONE), stage_tone),
            Cell(" ".join(ancestor.aliases), "accent"),
            "+".join(ancestor.changes) or NOTHING,
            age(ancestor.created_at, now),
            _metric_text(ancestor),
            Cell(data[:_SHOWN_HASH], "" if "data" in ancestor.changes else "muted"),
            Cell(ancestor.run_id or NOTHING, "muted"),
        ),
        "muted" if stage in (Stage.ARCHIVED, None) else "",
    )


def _fold_row(fold: Fold, tree: Ancestry, glyphs: Glyphs) -> Row:
    stages = {tree.by_key[key].stage for key in fold.keys}
    alike = str(stages.pop() or GONE) if len(stages) == 1 else ""
    cells = (Line(((_spelled(fold.text, glyphs), "muted"),)), f"{len(fold.keys):,} more", alike, "", "", "", "", "", "")
    return Row(FOLD + " ".join(fold.keys), cells, "muted")


def _spelled(text: str, glyphs: Glyphs) -> str:
    return in_ascii(text) if glyphs.name == "ascii" else text


def _label(ancestor: Ancestor, model: str) -> str:
    return ancestor.version if ancestor.model == model else f"{ancestor.model} {ancestor.version}"


def _metric_text(ancestor: Ancestor) -> str:
    if ancestor.metric is None:
        return NOTHING
    name, value = ancestor.metric
    return share(value) if name == ATTAINMENT else number(value)


def _metric_title(tree: Ancestry) -> str:
    """Name the figure that every row shows, if it is the same in all rows."""
    names = {ancestor.metric[0] for ancestor in tree.by_key.values() if ancestor.metric}
    name = names.pop() if len(names) == 1 else "metric"
    return "ATTAIN" if name == ATTAINMENT else name[:_METRIC_WIDTH].upper()


def _fact(name: str, text: str) -> Line:
    return Line(((f"{name:<{_NAME_WIDTH}}", "muted"), (text, "")))


def _sources_text(ancestor: Ancestor, tree: Ancestry) -> str:
    if not ancestor.sources:
        return "no earlier version"
    told = []
    for source in ancestor.sources:
        there = tree.by_key[source.key]
        gone = f" ({there.detail})" if there.stage is None else ""
        told.append(f"{_label(there, ancestor.model)}{gone}")
    is_supposed = all(source.is_loose for source in ancestor.sources)
    return " and ".join(told) + (", the previous number: no parent is recorded" if is_supposed else "")


def _targets_text(ancestor: Ancestor, tree: Ancestry) -> str:
    if not ancestor.targets:
        return "nothing yet"
    named = ", ".join(_label(tree.by_key[key], ancestor.model) for key in ancestor.targets[-_N_NAMED:])
    n_others = len(ancestor.targets) - _N_NAMED
    return named if n_others <= 0 else f"{named} and {n_others:,} more"


def _within(width: int, limits: tuple[int, int]) -> int:
    least, most = limits
    return max(least, min(most, width))
