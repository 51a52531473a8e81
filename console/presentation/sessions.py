"""Training sessions as rows, facts and epoch tables."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from msgspec.structs import replace

from console.presentation.cells import age_cell, duration_cell, share_cell
from console.presentation.gates import gate_lines, summary
from console.presentation.phrases import NOTHING, counted, duration, end_reason, instant, number, share
from core.domains.report_section import ReportSection
from core.settings.training import TrainingSettings
from core.training.agents.tree import in_tree
from core.training.criterion import Criterion
from core.training.epoch_slices import SlicesByModel, slice_sections
from core.training.session import DesiredSession, Session, SessionPhase
from core.view.snapshot import NO_ENGINE, SILENT_ENGINE
from widgets.columns import Column
from widgets.glyphs import Glyphs
from widgets.line import Line
from widgets.rows import Cell, Row

COLUMNS = (
    Column("session", "SESSION", 7, is_key=True),
    Column("name", "NAME", 8, flex=1, max_width=24, priority=3, cut="middle"),
    Column("phase", "PHASE", 12),
    Column("epoch", "EPOCH", 9, align="right"),
    Column("score", "SCORE", 6, align="right"),
    Column("best", "BEST", 6, align="right", priority=2),
    Column("gates", "GATES", 13, priority=1),
    Column("eta", "ETA", 8, align="right", field="eta_seconds"),
    Column("age", "AGE", 4, align="right", field="created_at", priority=4),
)
_OF_AGENTS = {"name": 1, "best": 2, "gates": 3, "age": 4}
"""Which columns go first where there are agents: names tell them apart, and the pane below has the gates of each."""
_USUAL_DOMAIN = TrainingSettings().domain  # which stored settings leave out
NONE_YET = "No session yet."
AGENTS_HAVE = "Each of its agents has its own: select one."
STARTS_ONE = "{training.start_or_stop} starts a session with this workspace's settings."
_PHASE_TONES = {
    SessionPhase.RUNNING: "good",
    SessionPhase.FINISHED: "accent",
    SessionPhase.FAILED: "bad",
    SessionPhase.PAUSED: "warn",
    SessionPhase.STOPPING: "warn",
    SessionPhase.STOPPED: "muted",
}
_BRIEF_ABSENCE = {NO_ENGINE: "no engine", SILENT_ENGINE: "engine silent"}
_BAR_TONES = {
    SessionPhase.FAILED: "bad",
    SessionPhase.PAUSED: "warn",
    SessionPhase.STOPPED: "warn",
    SessionPhase.FINISHED: "good",
}


def phase_cell(session: Session, glyphs: Glyphs, *, absence: str | None = None) -> Cell:
    """Draw the phase of a session, or the requested phase if it differs; without an engine the session waits."""
    phase = session.observed.phase
    if absence is not None and session.wants_work:
        brief = _BRIEF_ABSENCE.get(absence, absence)
        return Cell(f"{glyphs.hollow} {brief}", "warn", brief)
    glyph = {
        SessionPhase.RUNNING: glyphs.dot,
        SessionPhase.PREPARING: glyphs.dot,
        SessionPhase.FINISHED: glyphs.passed,
        SessionPhase.FAILED: glyphs.failed,
    }.get(phase, glyphs.hollow)
    text = str(phase)
    if session.desired is DesiredSession.PAUSED and phase is SessionPhase.RUNNING:
        text = "pausing"
    elif session.desired is DesiredSession.STOPPED and not phase.is_at_rest:
        text = "stopping"
    elif phase is SessionPhase.STOPPING:
        return Cell(f"{glyph} stopping", "accent", "stopping")  # on its own: the final fit, the test, the registration
    return Cell(f"{glyph} {text}", _PHASE_TONES.get(phase, ""), text)


def epochs_text(session: Session) -> str:
    """Spell the progress of a session: completed epochs, and their maximum number."""
    observed = session.observed
    return f"{observed.epoch}/{observed.n_epochs}" if observed.n_epochs else str(observed.epoch)


def active_first(sessions: Sequence[Session]) -> list[Session]:
    """Order sessions: at work, then queued in the order in which they start, then paused, then ended.

    Agents stand below their parent.

    Args:
        sessions: The newest first, which is kept among the paused and among the ended.
    """
    queue = [session for session in sessions if session.wants_work and not session.observed.phase.is_at_work]
    places = {session.session_id: place for place, session in enumerate(reversed(queue))}

    def rank(session: Session) -> tuple[int, int]:
        if session.observed.phase.is_at_work:
            return 0, 0
        if session.session_id in places:
            return 1, places[session.session_id]
        return 3 if session.observed.phase.is_at_rest else 2, 0

    return [place.session for place in in_tree(sorted(sessions, key=rank))]


def have_several_domains(sessions: Sequence[Session]) -> bool:
    """Whether sessions train different domains, so that a name alone does not tell what one is about."""
    return len({_domain_of(session) for session in sessions}) > 1


def _domain_of(session: Session) -> str:
    """Return what a session is about: its domain, or the model of language that it trains."""
    if session.text is not None:
        return session.text.model
    return str(session.settings.get("domain", _USUAL_DOMAIN))


def name_of(session: Session, *, with_domain: bool = False) -> str:
    """Return the name of a session, with the model of language that it trains, or with its domain."""
    if session.text is not None or not with_domain:
        return session.title
    return f"{session.name} ({_domain_of(session)})".strip()


def columns_of(sessions: Sequence[Session]) -> tuple[Column, ...]:
    """Return the columns of these sessions; in a narrow pane, those of agents keep their names the longest."""
    if not any(session.parent for session in sessions):
        return COLUMNS
    return tuple(replace(column, priority=_OF_AGENTS.get(column.key, column.priority)) for column in COLUMNS)


def session_rows(
    sessions: Sequence[Session], now: datetime, glyphs: Glyphs, *, absence: str | None = None
) -> list[Row]:
    """Draw each session as a row of `COLUMNS`, in the order given; of several domains, each with its own."""
    with_domain = have_several_domains(sessions)
    return [
        Row(
            session.session_id,
            (
                _id_cell(session, glyphs),
                Cell(name_of(session, with_domain=with_domain), value=session.name),
                phase_cell(session, glyphs, absence=absence),
                Cell(epochs_text(session), value=session.observed.epoch),
                _score_cell(session),
                share_cell(session.observed.best_score),
                summary(session.observed.gates, glyphs),
                duration_cell(session.observed.eta_seconds, at_most=True)
                if absence is None
                and session.observed.phase in (SessionPhase.QUEUED, SessionPhase.PREPARING, SessionPhase.RUNNING)
                else NOTHING,
                age_cell(session.created_at, now),
            ),
        )
        for session in sessions
    ]


def _id_cell(session: Session, glyphs: Glyphs) -> Cell | str:
    """Draw the id of a session; that of an agent on its branch of the tree."""
    own = session.session_id
    return Cell(f"{glyphs.corner}{own}", value=own) if session.parent else own


def _score_cell(session: Session) -> Cell:
    if session.observed.diverged:
        return Cell("diverged", "bad", brief="NaN")
    return share_cell(session.observed.score)


def title(session: Session, glyphs: Glyphs, *, absence: str | None = None, with_domain: bool = False) -> str:
    """Name a session and its phase, and its domain where there are several."""
    name = name_of(session, with_domain=with_domain)
    return f"{session.session_id} {name}  {phase_cell(session, glyphs, absence=absence).text}"


def reached(session: Session) -> str:
    """Say how far a session is: in its search of parameters, then in its epochs."""
    observed = session.observed
    if session.is_searching:
        return f"trial {observed.tuning.n_trials} of {observed.tuning.n_planned}"
    return f"epoch {observed.epoch} of {observed.n_epochs}" if observed.n_epochs else f"epoch {observed.epoch}"


def progress(session: Session, *, absence: str | None = None) -> tuple[str, float | None, str, str]:
    """Reduce a session to a progress bar: label, share, a note on the end, tone.

    The time left is to the last possible epoch: convergence may end the session earlier, hence "at most".
    """
    observed = session.observed
    done = observed.epoch / observed.n_epochs if observed.n_epochs else None
    label = reached(session)
    if observed.phase is SessionPhase.FINISHED:  # converged, perhaps long before its last possible epoch
        done, label = 1.0, counted(observed.epoch, "epoch")
    elif session.is_searching:
        done = observed.tuning.n_trials / n_planned if (n_planned := observed.tuning.n_planned) else None
    note = ""
    if absence is not None and session.wants_work:
        note = f"waiting: {absence}"
    elif observed.phase is SessionPhase.RUNNING and observed.eta_seconds is not None:
        note = f"at most {duration(observed.eta_seconds, at_most=True)} left"
    elif observed.phase.is_at_rest and observed.trained_seconds:
        note = f"took {duration(observed.trained_seconds)}"
    return label, done, note, _BAR_TONES.get(observed.phase, "accent")


def summary_lines(session: Session, glyphs: Glyphs, *, agents: Sequence[Session] = ()) -> list[Line]:
    """Write out what a progress bar cannot show: the scores, why the session is at rest, and what went wrong.

    Args:
        session: The session.
        glyphs: The signs of this terminal.
        agents: The sessions of its agents, whose phases are counted.
    """
    if session.text is not None:
        lines = [_text_line(session, session.text.model, glyphs)]
    else:
        lines = [_agents_line(session, agents) if session.children else _score_line(session, glyphs)]
    if session.is_finishing:
        lines.append(
            Line((("only the final fit is left: ", "muted"), (end_reason(session.observed.stop_reason or ""), "")))
        )
    elif session.observed.stop_reason:
        lines.append(Line((("ended: ", "muted"), (end_reason(session.observed.stop_reason), ""))))
    elif session.desired is not DesiredSession.RUNNING:
        reason = f": {session.reason}" if session.reason else ""
        lines.append(Line(((f"{session.desired} by {session.desired_by}{reason}", "warn"),)))
    elif session.observed.criteria and not session.observed.phase.is_at_rest:
        lines.append(_short_criteria(session, glyphs))
    if (trouble := _trouble_line(session)) is not None:
        lines.append(trouble)
    return [*lines, *(Line((("writes ", "muted"), (sample, ""))) for sample in session.observed.samples)]


def _agents_line(session: Session, agents: Sequence[Session]) -> Line:
    """Draw the totals of a session with agents, and how many of them have failed."""
    observed = session.observed
    n_failed = sum(agent.observed.phase is SessionPhase.FAILED for agent in agents)
    return Line(
        (
            (counted(len(session.children), "agent"), "strong"),
            *(((f"  {n_failed} failed", "bad"),) if n_failed else ()),
            ("  best ", "muted"),
            (share(observed.best_score), "strong"),
            ("  processor ", "muted"),
            (duration(observed.cpu_seconds), ""),
            ("  registered ", "muted"),
            (str(len(observed.registered)), ""),
        )
    )


def _text_line(session: Session, model: str, glyphs: Glyphs) -> Line:
    """Draw where a model of language stands: its loss, the floor, its distance from it, and the speed."""
    observed, gates = session.observed, summary(session.observed.gates, glyphs)
    own = {name: observed.metrics.get(f"{model}.{name}") for name in ("loss", "floor", "above_floor")}
    speed = observed.metrics.get(f"{model}.tokens_per_second")
    parts = [("loss ", "muted"), (number(own["loss"]), "strong"), (" nats a token", "muted")]
    if own["floor"] is not None:
        parts += [("  floor ", "muted"), (number(own["floor"]), "")]
        parts += [("  above it ", "muted"), (number(own["above_floor"]), "strong")]
    if speed is not None:
        parts += [("  ", ""), (f"{speed:,.0f}", ""), (" tokens/s", "muted")]
    return Line((*parts, (f"  {gates.text}", gates.tone)))


def _score_line(session: Session, glyphs: Glyphs) -> Line:
    """Draw the scores of a session: score, best, data quality, gates."""
    observed = session.observed
    gates = summary(observed.gates, glyphs)
    best = f" @{observed.best_epoch}" if observed.best_epoch is not None else ""
    return Line(
        (
            ("score ", "muted"),
            (share(observed.score), "strong"),
            ("  best ", "muted"),
            (share(observed.best_score) + best, ""),
            ("  quality ", "muted"),
            (share(observed.quality_score), ""),
            (f"  {gates.text}", gates.tone),
        )
    )


def _short_criteria(session: Session, glyphs: Glyphs) -> Line:
    """Draw the criteria that end a session in one line: met or not, and the earliest epoch of those that are not."""
    parts = [("until", "muted")]
    for place, criterion in enumerate(session.observed.criteria):
        sign, tone = _criterion_sign(criterion, glyphs)
        used = f" {criterion.value:g}/{criterion.limit:g}" if criterion.name == "patience" else ""
        when = "" if criterion.is_met else f" @{criterion.at_epoch}"
        parts += [(f"{'  ' if place else ' '}{sign}", tone), (f" {criterion.name}{used}{when}", "")]
    return Line(tuple(parts))


def _trouble_line(session: Session) -> Line | None:
    """Say what went wrong in a session, if anything did."""
    observed = session.observed
    if observed.failure and (observed.is_failing or observed.phase is SessionPhase.FAILED):
        tone = "bad" if observed.phase is SessionPhase.FAILED else "warn"
        n_failed = f"{observed.n_failed_epochs} failed: " if observed.n_failed_epochs else ""
        return Line(((f"{n_failed}{observed.failure}", tone),))
    if observed.diverged:
        return Line(((f"diverged: {', '.join(observed.diverged)}", "bad"),))
    if observed.n_rejected_epochs:
        whose = "its" if observed.n_rejected_epochs == 1 else "their"
        skipped = f"{counted(observed.n_rejected_epochs, 'epoch')} skipped: {whose} data failed a gate"
        return Line(((skipped, "warn"),))
    if notes := (*observed.warnings, *observed.announcements):
        return Line(((notes[0], "warn"),))
    return None


def detail_lines(
    session: Session,
    glyphs: Glyphs,
    *,
    slices: SlicesByModel | None = None,
    samples: Mapping[int, Sequence[str]] = MappingProxyType({}),
) -> list[Line]:
    """Write out everything about a session: who, when, why, with which settings, gates and scores by slice."""
    observed = session.observed
    facts = (
        ("session", f"{session.session_id} {session.name}"),
        ("run", session.run_id or NOTHING),
        ("created", f"{instant(session.created_at)} by {session.created_by}"),
        ("requested", f"{session.desired} since {instant(session.desired_at)}, by {session.desired_by}"),
        ("reason", session.reason or NOTHING),
        ("started", instant(observed.started_at)),
        ("trained", duration(observed.trained_seconds)),
        ("ended", f"{instant(observed.ended_at)} {end_reason(observed.stop_reason or '')}".rstrip()),
        ("epochs", f"{epochs_text(session)}, {observed.n_failed_epochs} failed, {observed.n_rejected_epochs} skipped"),
        ("registered", ", ".join(observed.registered) or NOTHING),
        *_agent_facts(session),
        ("checkpoint", observed.checkpoint or NOTHING),
        *_data_facts(session),
    )
    lines = [Line(((f"{label:<11}", "muted"), (text, ""))) for label, text in facts]
    if observed.diverged:
        lines.append(Line((("diverged   ", "muted"), (", ".join(observed.diverged), "bad"))))
    if observed.failure:
        goes_on = not (observed.is_failing or observed.phase is SessionPhase.FAILED)
        told = (f"{observed.failure} (since then it has gone on)", "") if goes_on else (observed.failure, "bad")
        lines.append(Line((("failure    ", "muted"), told)))
    lines += [
        Line((("note       ", "muted"), (text, "warn"))) for text in (*observed.warnings, *observed.announcements)
    ]
    lines += criteria_lines(session, glyphs)
    lines += sample_lines(samples)
    for part in observed.sections:  # how it ended, before the many gates
        lines += [Line(), Line(((part.title, "title"),)), *_table_lines(part), Line(((part.about, "muted"),))]
    lines += [
        Line(),
        Line(((gates_title(session), "title"),)),
        *gate_lines(observed.gates, glyphs, explained=True),
    ]
    for part in slice_sections(slices or {}, observed.epoch):
        lines += [Line(), Line(((part.title, "title"),)), *_table_lines(part)]
    if observed.metrics:
        lines += [Line(), Line((("Metrics of the last epoch", "title"),))]
        lines += [
            Line(((f"{name:<40}", "muted"), (number(value), ""))) for name, value in sorted(observed.metrics.items())
        ]
    lines += [Line(), Line((("Settings", "title"),))]
    lines += [
        Line(((f"{name:<28}", "muted"), (_setting(value), "")))
        for name, value in (session.settings if session.text is None else session.text.parameters).items()
        if not isinstance(value, dict) or name == "models"
    ]
    return lines


def _data_facts(session: Session) -> tuple[tuple[str, str], ...]:
    """Name the command that draws the data of a session again, as far as it has drawn any."""
    if session.text is not None or not (session.children or session.observed.epoch):
        return ()
    if session.children:
        return (("data", "bondx data reproduce AGENT --out DIR, for each agent"),)
    has_report = session.observed.phase is SessionPhase.FINISHED
    which = "" if has_report else f" --epoch {session.observed.epoch}"
    return (("data", f"bondx data reproduce {session.session_id}{which} --out DIR"),)


def gates_title(session: Session) -> str:
    """Say what the gates of a session judge: each draw, or the model of language at its end."""
    return "Gates of the last epoch" if session.text is None else "Gates of the version"


def sample_lines(samples: Mapping[int, Sequence[str]]) -> list[Line]:
    """Write out what a model of language wrote after some epochs, the first of them first."""
    if not samples:
        return []
    lines = [Line(), Line((("What it writes", "title"), ("  always from the same draws", "muted")))]
    return lines + [
        Line(((f"epoch {epoch:<5}", "muted"), (text, "")))
        for epoch, written in sorted(samples.items())
        for text in written
    ]


def _agent_facts(session: Session) -> tuple[tuple[str, str], ...]:
    """Return the facts of a session with agents, and of an agent."""
    if session.children:
        return (("agents", ", ".join(session.children)), ("processor", duration(session.observed.cpu_seconds)))
    if (agent := session.agent) is None:
        return ()
    limits = f"priority {agent.priority}, weight {agent.weight:g}, niceness {agent.niceness}"
    memory = f", {agent.memory_limit_mb} MiB" if agent.memory_limit_mb else ""
    return (
        ("agent", f"{agent.name} of {session.parent}"),
        ("limits", limits + memory),
        ("processor", duration(session.observed.cpu_seconds)),
    )


def _table_lines(part: ReportSection) -> list[Line]:
    """Draw the table of a section: words to the left, figures to the right."""
    table = (part.columns, *part.rows)
    widths = [max(len(row[place]) for row in table) for place in range(len(part.columns))]

    def spelled(row: Sequence[str]) -> str:
        places = zip(row, widths, part.figures, strict=True)
        return "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in places).rstrip()

    return [Line(((spelled(part.columns), "muted"),)), *(Line(((spelled(row), ""),)) for row in part.rows)]


def criteria_lines(session: Session, glyphs: Glyphs) -> list[Line]:
    """Write out where the criteria stand that end a session which is not at rest."""
    observed = session.observed
    if observed.phase.is_at_rest or not observed.criteria:
        return []
    meaning = "  converged: the first three; plateau: the fourth" if session.text is None else ""
    title = Line((("Until it ends", "title"), (meaning, "muted")))
    limit = f"epoch {observed.epoch} of {observed.n_epochs} at most"
    return [Line(), title, *(_criterion_line(each, glyphs) for each in observed.criteria), Line(((limit, "muted"),))]


def _criterion_line(criterion: Criterion, glyphs: Glyphs) -> Line:
    sign, tone = _criterion_sign(criterion, glyphs)
    return Line(((f"{sign} ", tone), (criterion.text, "")))


def _criterion_sign(criterion: Criterion, glyphs: Glyphs) -> tuple[str, str]:
    return (glyphs.passed, "good") if criterion.is_met else (glyphs.hollow, "muted")


def _setting(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, dict) else str(value)
