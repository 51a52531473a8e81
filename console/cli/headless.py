"""The headless view: a running session as lines, for a pane of tmux, a pipe, or a log collector.

It reads the same documents and series that the console reads and holds no logic of its own: an epoch's line is
printed once its figures have been written, so nothing shown here can be lost afterwards.
"""

import math
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TextIO

from console.cli.escaped_text import Control, json_text
from console.cli.output import printable

if TYPE_CHECKING:
    from core.quality.gate import GateResult
    from core.training.records import EpochRecord
    from core.training.session import ObservedSession, Session
    from core.view.snapshot import Snapshot

Event = Mapping[str, Any]
BAR_CELLS = 24
_CLEAR_LINE = Control("\r\x1b[K")
_OF_TEXTS = ".perplexity"  # a metric that only models of language have
ASCII_BAR, UNICODE_BAR = ("#", "-"), ("█", "░")


@dataclass(slots=True)
class SessionFeed:
    """Turns successive snapshots into events, each reported once.

    Attributes:
        session_id: The session.
        report_of: Reads the report of an epoch of the session; a snapshot has the gates of the last epoch only.
        metrics_after: Reads the metrics of the session's epochs after an epoch: those before it are not read.
        before: The progress of the session before this process began, which is not reported again.
    """

    session_id: str
    report_of: "Callable[[Session, int], EpochRecord | None]"
    metrics_after: "Callable[[Session, int], Mapping[int, Mapping[str, float]]]"
    before: "ObservedSession | None" = None
    _reported: dict[str, Any] = field(default_factory=dict)
    _epoch: int = 0

    def __post_init__(self) -> None:
        if self.before is not None:
            self._epoch = self.before.epoch
            self._reported["failures"] = (self.before.n_failed_epochs, self.before.failure)
            list(self._search(self.before, {}))

    def events(self, snapshot: "Snapshot") -> Iterator[Event]:
        """Yield the events of the session since the previous snapshot."""
        session = snapshot.session(self.session_id)
        if session is None:
            return
        observed = session.observed
        base: dict[str, Any] = {"session_id": self.session_id, "n_epochs": observed.n_epochs}
        if session.agent is not None:
            base["agent"] = session.agent.name
        if session.children:
            self._epoch = observed.epoch  # the epochs of its agents, which have lines of their own
        yield from self._news(base, "notice", (*observed.warnings, *observed.announcements))
        yield from self._search(observed, base)
        yield from self._epochs(session, base)
        if observed.epoch > self._epoch and not observed.phase.is_at_rest:
            return  # the figures of an epoch are written a moment after it; later events are reported after it
        if self._is_new("failures", (observed.n_failed_epochs, observed.failure)) and observed.failure:
            yield base | {"event": "epoch_failed", "epoch": observed.failed_epoch, "reason": observed.failure}
        if self._is_new("phase", observed.phase):
            yield base | {"event": "phase", "phase": observed.phase, "epoch": observed.epoch}
        yield from self._news(base, "registered", observed.registered)
        if observed.phase.is_at_rest and self._is_new("end", observed.phase):
            yield base | {
                "event": "end",
                "phase": observed.phase,
                "epoch": observed.epoch,
                "best_score": observed.best_score,
                "reason": observed.stop_reason or observed.failure,
                "registered": list(observed.registered),
            }

    def _search(self, observed: "ObservedSession", base: Event) -> Iterator[Event]:
        """Yield the columns chosen and the progress of the search of parameters, which come before the first epoch."""
        from core.training.tuning.trial_rows import told_standing
        from core.training.tuning.words import told_selection

        for each in observed.tuning.selections:
            if self._is_new(f"columns {each.model}", each.why):
                yield {
                    **base,
                    "event": "columns",
                    "model": each.model,
                    "ships": each.ships,
                    "what": told_selection(each),
                }
        for standing in observed.tuning.standings:
            place = (standing.n_trials, standing.ships)
            if standing.n_trials and self._is_new(f"tuning {standing.model}", place):
                figures = {
                    name: getattr(standing, name) for name in ("model", "n_trials", "n_planned", "best_loss", "ships")
                }
                yield {**base, "event": "tuning", **figures, "what": told_standing(standing)}

    def _epochs(self, session: "Session", base: Event) -> Iterator[Event]:
        by_epoch = self.metrics_after(session, self._epoch)
        for epoch in sorted(by_epoch):
            self._epoch = epoch
            eta = session.observed.eta_seconds if epoch == session.observed.epoch else None
            report = self.report_of(session, epoch)
            learned = report is None or report.learned
            about = {**base, "epoch": epoch, "learned": learned}
            yield {**about, "event": "epoch", "eta_seconds": eta, "metrics": dict(by_epoch[epoch])}
            if report is not None and not learned:
                gates = [gate for gate in report.gates if gate.blocks]
                yield {**about, "event": "draw_rejected", "reason": _reason(gates), "gates": gates}

    def _news(self, base: Event, event: str, items: tuple[str, ...]) -> Iterator[Event]:
        known = self._reported.get(event, ())
        self._reported[event] = items
        for item in items:
            if item not in known:
                yield {**base, "event": event, "what": item}

    def _is_new(self, name: str, value: object) -> bool:
        is_new = self._reported.get(name) != value
        self._reported[name] = value
        return is_new


def criteria_events(session: "Session") -> Iterator[Event]:
    """Yield where each criterion of the session's end stands, and the earliest epoch at which it could be met."""
    observed = session.observed
    base = {"session_id": session.session_id, "n_epochs": observed.n_epochs, "epoch": observed.epoch}
    for each in observed.criteria:
        figures = {"value": each.value, "limit": each.limit, "at_epoch": each.at_epoch}
        yield base | {"event": "criterion", "name": each.name, "is_met": each.is_met, **figures, "text": each.text}


def plain_line(event: Event) -> str:
    """Spell an event as one line for a person.

    >>> plain_line({"event": "epoch", "epoch": 3, "n_epochs": 9, "eta_seconds": None, "learned": True,
    ...             "metrics": {"score": 0.9, "quality.score": 0.98, "epoch.seconds": 0.5}})
    'epoch 3/9  score 0.9000  quality 0.980  0.5 s'
    >>> plain_line({"event": "registered", "agent": "linear", "what": "spread/1.0.0"})
    'linear: registered spread/1.0.0'
    """
    if "agent" in event:
        return f"{printable(event['agent'])}: {_plain_line(event)}"
    return _plain_line(event)


def _plain_line(event: Event) -> str:
    from console.presentation.phrases import end_reason

    match event["event"]:
        case "epoch":
            parts = [f"epoch {event['epoch']}/{event['n_epochs']}", *_figures(event["metrics"], event["learned"])]
            if event["eta_seconds"]:
                parts.append(f"up to {_spell(math.ceil(event['eta_seconds']))} left")
            return "  ".join(parts)
        case "epoch_failed":
            which = f"epoch {event['epoch']}" if event["epoch"] else "an epoch"
            return f"{which} failed: {printable(event['reason'])}"
        case "draw_rejected":
            return f"epoch {event['epoch']} skipped: its data failed {printable(event['reason'])}"
        case "phase":
            after = f" after epoch {event['epoch']}" if event["epoch"] else ""
            return f"{event['session_id']} {event['phase']}{after}"
        case "criterion":
            return f"until {event['name']}: {'met' if event['is_met'] else 'open'}, {event['text']}"
        case "tuning" | "columns":
            return f"{event['event']} {event['model']}: {printable(event['what'])}"
        case "registered":
            return f"registered {printable(event['what'])}"
        case "notice":
            return f"note: {printable(event['what'])}"
        case _:
            score = event["best_score"]
            best = f", best score {score:.4f}" if score is not None else ""
            reason = f": {printable(end_reason(event['reason']))}" if event["reason"] else ""
            return f"{event['session_id']} {event['phase']} after epoch {event['epoch']}{best}{reason}"


def progress_bar(epoch: int, n_epochs: int, *, cells: int = BAR_CELLS, ascii_only: bool = False) -> str:
    """Draw the completed epochs out of the maximum number.

    >>> progress_bar(3, 4, cells=8, ascii_only=True)
    '######--'
    """
    full, empty = ASCII_BAR if ascii_only else UNICODE_BAR
    done = round(cells * min(epoch, n_epochs) / n_epochs) if n_epochs else 0
    return full * done + empty * (cells - done)


class LinePrinter:
    """Prints events: JSON lines, plain lines, or on a terminal plain lines over one bar that stays at the bottom."""

    def __init__(self, stream: TextIO, *, log_json: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._spell: Callable[[Event], str] = json_text if log_json else plain_line
        self._bar = stream.isatty() and not log_json
        self._clock = clock
        self._ascii = "utf" not in (stream.encoding or "").lower()

    def print(self, event: Event) -> None:
        """Print one event, and the bar below it."""
        self._clear(self._stream)
        print(self._spell(event), file=self._stream)
        if self._bar and event["event"] == "epoch":
            bar = progress_bar(event["epoch"], event["n_epochs"], ascii_only=self._ascii)
            share = 100 * event["epoch"] // max(event["n_epochs"], 1)
            line = f"{bar} {share:3d}% of up to {event['n_epochs']} epochs"
            print(line[: shutil.get_terminal_size().columns - 1], end="", file=self._stream)
        self._stream.flush()

    def say(self, sentence: str) -> None:
        """Print a note that is not an event; for scripts that read JSON it goes to stderr."""
        self._clear(sys.stderr)
        print(printable(sentence), file=sys.stderr, flush=True)

    def _clear(self, stream: TextIO) -> None:
        if self._bar:
            stream.write(_CLEAR_LINE)


def _reason(gates: Iterable["GateResult"]) -> str:
    return "; ".join(f"{gate.name}: {gate.sentence}" for gate in gates)


def _figures(metrics: Mapping[str, float], learned: bool) -> Iterator[str]:
    """Spell the figures of an epoch; the score and the models of a skipped epoch are those of the epoch before."""
    score = metrics.get("score")
    if not learned:
        yield "skipped"
    elif score is not None:
        yield f"score {score:.4f}"
    models = {
        name.removesuffix(".attainment"): value
        for name, value in metrics.items()
        if learned and name.endswith(".attainment")
    }
    for model, attainment in sorted(models.items()):
        yield f"{model} {attainment:.3f}"
    texts = [name.removesuffix(_OF_TEXTS) for name in metrics if name.endswith(_OF_TEXTS)]
    for model in texts:
        yield from _text_figures(model, metrics)
    if not texts and (quality := metrics.get("quality.score")) is not None:
        yield f"quality {quality:.3f}"
    if (seconds := metrics.get("epoch.seconds")) is not None:
        yield f"{seconds:.1f} s"


def _text_figures(model: str, metrics: Mapping[str, float]) -> Iterator[str]:
    """Spell the loss of a model of language, its distance from the floor, and its speed."""
    if (loss := metrics.get(f"{model}.loss")) is not None:
        yield f"loss {loss:.4f} nats a token"
    if (excess := metrics.get(f"{model}.above_floor")) is not None:
        yield f"{excess:.4f} above the floor"
    if (speed := metrics.get(f"{model}.tokens_per_second")) is not None:
        yield f"{speed:,.0f} tokens/s"


def _spell(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
