"""Models and their versions as rows, facts and evidence."""

import functools
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from console.presentation.cells import age_cell, share_cell
from console.presentation.gates import gate_lines, summary
from console.presentation.live_health import HEALTH_WIDTH, live_health_cell
from console.presentation.phrases import NOTHING, age, instant, number, share, size
from core.registry import ModelVersion, RegisteredModel, Stage, Transition
from core.view.remembered import of_the_same
from core.view.snapshot import EpochSeries, Snapshot
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.line import Line
from widgets.rows import Cell, Row

if TYPE_CHECKING:
    pass

TREND_WIDTH = 14
COLUMNS = (
    Column("mark", " ", 1),
    Column("model", "MODEL", 15, flex=1, max_width=20, cut="middle", is_key=True),
    Column("version", "VERSION", 8, is_key=True),
    Column("stage", "STAGE", 13),
    Column("attainment", "ATTAIN", 6, align="right"),
    Column("gates", "GATES", 13, priority=2),
    Column("age", "AGE", 4, align="right", field="created_at"),
    Column("who", "BY", 10, flex=1, max_width=24, priority=1),
    Column("session", "SESSION", 7, priority=3),
)
LIVE_COLUMNS = (
    Column("model", "MODEL", 15, flex=1, max_width=20, cut="middle"),
    Column("live", "LIVE", 6),
    Column("age", "FOR", 4, align="right", field="live_since_at"),
    Column("health", "HEALTH", HEALTH_WIDTH),
    Column("attainment", "ATTAIN", 6, align="right", priority=2),
    Column("next", "NEXT", 14, priority=1),
    Column("trend", "TREND", TREND_WIDTH, priority=3),
)
_STAGE_RANKS = {Stage.ARCHIVED: 0, Stage.DEVELOPMENT: 1, Stage.STAGING: 2, Stage.PRODUCTION: 3}
MODEL_COLUMNS = (
    Column("model", "MODEL", 15, flex=1, max_width=40, cut="middle"),
    Column("live", "LIVE", 8),
    Column("age", "FOR", 4, align="right", field="live_since_at", priority=1),
    Column("n_versions", "VERSIONS", 8, align="right"),
    Column("next", "ROLLOUT OR NEWEST", 20),
    Column("attainment", "ATTAIN", 6, align="right", priority=2),
)
STAGE_TONES = {Stage.PRODUCTION: "good", Stage.STAGING: "accent", Stage.ARCHIVED: "muted"}


def attainment_cell(metrics: Mapping[str, float]) -> Cell:
    """Spell the share of the best attainable score; with `~` where the truth is unknown and it was estimated."""
    if (measured := metrics.get("attainment")) is not None or "estimated_attainment" not in metrics:
        return share_cell(measured)
    estimated = metrics["estimated_attainment"]
    return Cell(f"~{share(estimated, 0)}", value=estimated)


_BRIEF_STAGES = {Stage.DEVELOPMENT: "Dev", Stage.STAGING: "Stag", Stage.PRODUCTION: "Prod", Stage.ARCHIVED: "Arch"}


def stage_cell(stage: Stage, glyphs: Glyphs) -> Cell:
    """Draw a stage with a glyph, its word and a tone: a filled dot is live."""
    glyph = glyphs.dot if stage is Stage.PRODUCTION else glyphs.hollow if stage is Stage.STAGING else " "
    brief = f"{glyph} {_BRIEF_STAGES[stage]}"
    return Cell(f"{glyph} {stage}", STAGE_TONES.get(stage, ""), str(stage), _STAGE_RANKS[stage], brief=brief)


@functools.lru_cache(maxsize=4096)  # models share most of their numbers
def _number_of(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isascii() and part.isdecimal())


@of_the_same
def newest_first(versions: Sequence[ModelVersion]) -> list[ModelVersion]:
    """Order versions by model, then by number, newest first. The list is shared, and must not be changed."""
    by_number = sorted(versions, key=lambda v: (_number_of(v.version), v.created_at), reverse=True)
    return sorted(by_number, key=lambda v: v.model)


@of_the_same
def newest_by_model(versions: Sequence[ModelVersion]) -> dict[str, ModelVersion]:
    """Return the newest version of each model. The result is shared, and must not be changed."""
    newest: dict[str, ModelVersion] = {}
    for version in newest_first(versions):
        newest.setdefault(version.model, version)
    return newest


@of_the_same
def next_by_model(versions: Sequence[ModelVersion]) -> dict[str, ModelVersion]:
    """Return the version of each model that may go live next. The result is shared, and must not be changed.

    It is the newest in Staging, else the newest in Development above every live version: an archived version follows
    nobody, and neither does one that was passed over.
    """
    following: dict[str, ModelVersion] = {}
    passed: set[str] = set()
    for version in newest_first(versions):
        model = version.model
        if version.stage is Stage.PRODUCTION:
            passed.add(model)
        elif version.stage is Stage.STAGING:
            if model not in following or following[model].stage is Stage.DEVELOPMENT:
                following[model] = version
        elif version.stage is Stage.DEVELOPMENT and model not in passed:
            following.setdefault(model, version)
    return following


def version_rows(
    versions: Sequence[ModelVersion],
    now: datetime,
    glyphs: Glyphs,
    marked: Sequence[str] = (),
    quarantined: Container[str] = (),
) -> list[Row]:
    """Draw each version as a row of `COLUMNS`; its key is the version's own.

    Args:
        versions: The versions.
        now: The present.
        glyphs: The signs of this terminal.
        marked: The keys of the marked versions.
        quarantined: The keys of the versions that no process loads; they say so in the place of their gates.
    """
    before, now_drawn = dict(_drawn), {}
    for version in newest_first(versions):
        key = version.key
        looks = (glyphs, key in marked, key in quarantined, age(version.created_at, now))
        known = before.get(key)
        if known is None or known[0] is not version or known[1] != looks:
            known = version, looks, _version_row(version, now, glyphs, marked, quarantined)
        now_drawn[key] = known
    _drawn.clear()
    _drawn.update(now_drawn)
    return [row for _, _, row in now_drawn.values()]


# The rows of the last list, because most versions look the same in the next one: the version, its looks and its row.
_drawn: dict[str, tuple[ModelVersion, tuple[object, ...], Row]] = {}


def _version_row(
    version: ModelVersion, now: datetime, glyphs: Glyphs, marked: Sequence[str], quarantined: Container[str]
) -> Row:
    return Row(
        version.key,
        (
            _sign(version.key, marked, quarantined, glyphs),
            version.model,
            Cell(version.version, "strong"),
            stage_cell(version.stage, glyphs),
            attainment_cell(version.metrics),
            Cell(f"{glyphs.failed} quarantined", "bad", "quarantined")
            if version.key in quarantined
            else summary(version.gates, glyphs),
            age_cell(version.created_at, now),
            version.created_by,
            version.session_id,
        ),
        "muted" if version.stage is Stage.ARCHIVED else "",
    )


def _sign(key: str, marked: Sequence[str], quarantined: Container[str], glyphs: Glyphs) -> Cell:
    """Draw the mark of a version, else that it is quarantined: a narrow list has no room for the word."""
    if key in marked:
        return Cell(glyphs.mark, "accent")
    return Cell(glyphs.failed, "bad") if key in quarantined else Cell(" ", "accent")


def live_rows(
    snapshot: Snapshot,
    trends: Mapping[str, Sequence[float]],
    now: datetime,
    glyphs: Glyphs,
    trend: Callable[[Sequence[float]], str],
) -> list[Row]:
    """Draw each model as a row of `LIVE_COLUMNS`: its live version and score, and the candidate or next version.

    Args:
        snapshot: The models, their versions and rollouts.
        trends: Attainment by epoch of the session at work, by model.
        now: The present.
        glyphs: The signs of this terminal.
        trend: Turns numbers into a sparkline.
    """
    by_key, following = snapshot.versions_by_key, next_by_model(snapshot.versions)
    watched = {found.model: found for found in snapshot.monitoring}
    rows = []
    for model in sorted(snapshot.models, key=lambda model: model.model):
        live = by_key.get(f"{model.model}/{model.production}")
        rows.append(
            Row(
                model.model,
                (
                    model.model,
                    Cell(live.version, "good") if live else Cell("none", "warn"),
                    age_cell(live.stage_since, now) if live else NOTHING,
                    live_health_cell(watched.get(model.model), model.production, now, glyphs),
                    attainment_cell(live.metrics) if live else NOTHING,
                    _next_cell(model.model, live, following.get(model.model), snapshot, glyphs),
                    Cell(trend(trends.get(model.model, ())), "accent"),
                ),
            )
        )
    return rows


def live_or_newest(snapshot: Snapshot, model: str) -> str | None:
    """Return the key of a model's live version, else of its newest."""
    live = next((known.production for known in snapshot.models if known.model == model), None)
    if live is not None:
        return f"{model}/{live}"
    newest = newest_by_model(snapshot.versions).get(model)
    return newest.key if newest else None


def model_rows(snapshot: Snapshot, now: datetime, glyphs: Glyphs, *, only_live: bool = False) -> list[Row]:
    """Draw each model as a row of `MODEL_COLUMNS`; its key is the model's name.

    Args:
        snapshot: The models, their versions and rollouts.
        now: The present.
        glyphs: The signs of this terminal.
        only_live: Leave out the models without a live version.
    """
    counts = Counter(version.model for version in snapshot.versions)
    rows = live_rows(snapshot, {}, now, glyphs, lambda _: "")
    folded = []
    for model, row in zip(sorted(snapshot.models, key=lambda model: model.model), rows, strict=True):
        if model.production is not None or not only_live:
            name, live, age, _, reached, following, _ = row.cells
            n_versions = Cell(str(counts[model.model]), value=counts[model.model])
            folded.append(Row(row.key, (name, live, age, n_versions, following, reached)))
    return folded


def _next_cell(
    model: str, live: ModelVersion | None, following: ModelVersion | None, snapshot: Snapshot, glyphs: Glyphs
) -> Cell:
    """Name what may follow the live version: a version that awaits approval, a candidate, the nearest to Production."""
    if (retraining := snapshot.active_retraining(model)) is not None:
        from console.presentation.retrainings import awaits_a_person, waiting_mark  # few first frames have one

        if awaits_a_person(retraining):
            return waiting_mark(retraining, glyphs)
    if (rollout := snapshot.active_rollout(model)) is not None:
        from console.presentation.rollouts import mark  # few first frames have a rollout to draw

        return mark(rollout, glyphs)
    if following is None:
        return Cell("live" if live is not None else NOTHING, "muted")
    brief = f"{following.version} {_BRIEF_STAGES[following.stage]}"
    return Cell(f"{following.version} {following.stage}", "accent", brief=brief)


def trends_of(models: Sequence[RegisteredModel], epochs: EpochSeries) -> dict[str, list[float]]:
    """Collect the attainment by epoch of each model from a session's history."""
    return {model.model: [value for _, value in epochs.get(f"{model.model}.attainment", ())] for model in models}


def fact_lines(version: ModelVersion, snapshot: Snapshot, glyphs: Glyphs) -> list[Line]:
    """Write out the stage and the metrics of a version."""
    stage = stage_cell(version.stage, glyphs)
    names = " ".join(snapshot.aliases_of(version.model, version.version))
    facts = [("aliases", names)] if names else []
    if (rollout := snapshot.active_rollout(version.model)) is not None:
        from console.presentation.rollouts import standing_text

        facts.append(("rollout", standing_text(rollout, glyphs)))
    lines = [
        Line(((f"{version.model} {version.version}  ", "strong"), (stage.text, stage.tone))),
        *_facts(
            *facts,
            ("stage since", f"{instant(version.stage_since)}, by {version.updated_by}"),
            ("created", f"{instant(version.created_at)} by {version.created_by}"),
            ("session, run", f"{version.session_id or NOTHING}, {version.run_id or NOTHING}"),
            ("files", f"{version.n_files}, {size(version.n_bytes)}, manifest {version.manifest_sha256[:12]}"),
        ),
    ]
    if version.checked:
        lines += _facts(("checked", version.checked))
    if (quarantine := snapshot.quarantine_of(version.model, version.version)) is not None:
        words = f"{glyphs.failed} quarantined {instant(quarantine.at)}: {quarantine.problem}"
        lines.append(Line(((words, "bad"),)))
        lines.append(Line((("No process loads it; `:release` lets it be tried again.", "muted"),)))
    if version.description:
        lines.append(Line(((version.description, "muted"),)))
    lines += _titled("Metrics", _facts(*((name, number(value)) for name, value in sorted(version.metrics.items()))))
    return lines


def evidence_lines(
    version: ModelVersion, snapshot: Snapshot, glyphs: Glyphs, *, promotion: Sequence[Line] = ()
) -> list[Line]:
    """Write out the evidence behind a version: its promotion if it was planned, its data gates, its lineage."""
    return [
        *(_titled("Promotion", promotion)[1:] if promotion else ()),
        *((Line(),) if promotion else ()),
        *fact_lines(version, snapshot, glyphs),
        *_titled("Data gates", gate_lines(version.gates, glyphs, explained=True)),
        *_titled("Lineage", lineage_lines(version.lineage)),
    ]


def detail_lines(version: ModelVersion, snapshot: Snapshot, glyphs: Glyphs) -> list[Line]:
    """Write out everything about a version; the stage changes of its model last, newest first."""
    moves = history_lines(snapshot.history(version.model))
    return [*evidence_lines(version, snapshot, glyphs), *_titled(f"Stage changes of {version.model}", moves)]


def lineage_lines(lineage: Mapping[str, object], indent: str = "") -> list[Line]:
    """Write out the lineage of a version; nested values are indented below their name."""
    lines: list[Line] = []
    for name, value in lineage.items():
        if isinstance(value, Mapping):
            lines += [Line(((f"{indent}{name}", "muted"),)), *lineage_lines(value, indent + "  ")]
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
            lines.append(Line(((f"{indent}{name}  ", "muted"), (text, ""))))
    return lines or [Line((("none recorded", "muted"),))]


def history_lines(transitions: Sequence[Transition]) -> list[Line]:
    """Write out stage changes of a model, in the order given."""
    return [Line(((str(transition), ""),)) for transition in transitions] or [Line((("no stage change", "muted"),))]


def _titled(title: str, lines: Sequence[Line]) -> list[Line]:
    return [Line(), Line(((title, "title"),)), *lines]


def _facts(*facts: tuple[str, str]) -> list[Line]:
    width = max((len(label) for label, _ in facts), default=0) + 2
    return [Line(((f"{label:<{width}}", "muted"), (text, ""))) for label, text in facts]
