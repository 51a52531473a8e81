"""The recorded requests whose outcomes decide how well a version does: drawn, kept, and judged as outcomes come."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from core.actor import Actor
from core.arrays import AnyArray
from core.clock import Clock, utc_now
from core.errors import UsageError
from core.losses import AnswerKind, RecordedAnswer, probabilities_of
from core.monitoring.documents import LabelsPart
from core.monitoring.estimation.estimate import LEAST_LIVE, estimate_performance
from core.monitoring.estimation.held_out import HeldOutRows
from core.monitoring.estimation.watch import live_rows
from core.monitoring.labels.answers import JudgedRequests, WantedRequest, WantedRequests
from core.monitoring.labels.draws import MOST_WANTED, DrawnRow, LabelDraw, LabelDraws
from core.monitoring.labels.judging import IN_WORDS, caught_up, judged, known_losses
from core.monitoring.labels.reference import held_out_loss
from core.monitoring.labels.sampling import correction_ends, draw_chances, draws, expected_draws, level_of_draw
from core.monitoring.labels.strata import RowLosses, losses_by_strata
from core.monitoring.labels.watch import LabelsWatch
from core.registry import ModelVersion, Registry
from core.state import Workspace
from core.telemetry.features import LoggedFeatures, logged_features
from core.telemetry.live import LiveReader
from core.telemetry.predictions import PredictionReader
from core.training.own_data.version_choice import chosen_version

WINDOW = timedelta(days=7)
"""Rows answered within this time are drawn from."""
MOST_DRAWS = 4 * MOST_WANTED
N_REPLICATES = 20  # of the bootstrap: only its expected losses are used
BY_COLUMNS = "the uncertainty of each row's loss, estimated from its columns"
BY_ANSWERS = "the uncertainty of the loss in each tenth of the answers"


@dataclass(frozen=True, slots=True)
class _Population:
    """The rows that are drawn from."""

    requests: Sequence[str]
    losses: RowLosses
    drawn_by: str


def wanted_requests(
    workspace: Workspace,
    model: str,
    *,
    actor: Actor,
    n: int = 40,
    seed: int = 0,
    version: str | None = None,
    requests: Sequence[str] | None = None,
    again: bool = False,
    reason: str = "",
    clock: Clock = utc_now,
) -> WantedRequests:
    """Name recorded requests whose outcomes decide how well a version does.

    The first question draws them, and records the draw. Later questions return the same requests, or more of them.

    Args:
        workspace: Where the version is registered and its predictions are recorded.
        model: Its model.
        actor: Who asks.
        n: How many different rows.
        seed: Of the draw.
        version: Its number; by default the live version, else the newest.
        requests: Ids of predictions to draw from, since the store keeps only a number for each; by default the rows
            that `serving.log_features` sampled within the last seven days.
        again: Draw again, from the rows that are there now.
        reason: Why, for the record.
        clock: The time.
    Raises:
        NotFoundError: There is no such model or version.
        HeldOutError: The version has no held-out rows.
        UsageError: There are too few recorded rows to draw from, or more are asked for than one draw has.
        TelemetryError: The recorded rows cannot be read.
    """
    if not 1 <= n <= MOST_WANTED:
        raise UsageError(f"{n} rows are asked for; one draw has 1 to {MOST_WANTED}.")
    registry, store = Registry(workspace), LabelDraws(workspace, clock=clock)
    chosen = chosen_version(registry, model, version, None)
    draw = None if again or requests is not None else store.newest(chosen.model, chosen.version)
    is_new = draw is None or draw.seed != seed
    if draw is None or is_new:
        with registry.opened(chosen.model, chosen.version) as folder:
            held_out = HeldOutRows.read(folder, chosen.key)
        population = _recorded(workspace, chosen, held_out, requests, clock())
        level = level_of_draw(store.next_number(chosen.model, chosen.version))
        draw = store.add(_drawn(chosen, population, n, seed, level), actor=actor, reason=reason)
    elif n > draw.n:
        if n > len(draw.rows):
            raise UsageError(f"{n} rows are asked for; the draw {draw.draw_id} has {len(draw.rows)}. Draw again.")
        draw = store.ask_for_more(draw, n, actor=actor, reason=reason)
    return WantedRequests(
        model=chosen.model,
        version=chosen.version,
        draw=draw.draw_id,
        is_new=is_new,
        asked_at=draw.asked_at,
        asked_by=draw.asked_by,
        seed=draw.seed,
        drawn_by=draw.drawn_by,
        loss=IN_WORDS[draw.metric],
        held_out=draw.held_out,
        n_rows=draw.n_rows,
        requests=tuple(_wanted(row) for row in draw.rows[:n]),
        labels=_judged(workspace, draw, clock()),
    )


def judged_requests(workspace: Workspace, model: str, version: str | None = None, *, now: datetime) -> JudgedRequests:
    """Say what the outcomes of wanted requests prove; nothing is written, and no engine is needed.

    Args:
        workspace: Where the version is registered and its outcomes are reported.
        model: Its model.
        version: Its number; by default the live version, else the newest.
        now: The time.
    Raises:
        NotFoundError: There is no such version, or no outcomes were asked for.
        TelemetryError: The outcomes cannot be read.
    """
    chosen = chosen_version(Registry(workspace), model, version, None)
    draw = LabelDraws(workspace).get(chosen.model, chosen.version)
    return JudgedRequests(model=chosen.model, version=chosen.version, labels=_judged(workspace, draw, now))


def _judged(workspace: Workspace, draw: LabelDraw, now: datetime) -> LabelsPart:
    with closing(LiveReader(workspace.live_file)) as reader:
        state = reader.watch_state(draw.model, draw.version, LabelsWatch.name)
    known = known_losses(None if state is None else state[1], draw)
    return judged(draw, caught_up(known, draw, workspace.predictions_file), now)


def _wanted(row: DrawnRow) -> WantedRequest:
    """Split the id of a prediction: a further row of a request is recorded as "id/1"."""
    head, slash, tail = row.request.rpartition("/")
    if slash and tail.isascii() and tail.isdigit() and not tail.startswith("0"):
        return WantedRequest(request_id=head, row=int(tail), chance=row.chance)
    return WantedRequest(request_id=row.request, row=0, chance=row.chance)


def _drawn(version: ModelVersion, population: _Population, n: int, seed: int, level: float) -> LabelDraw:
    losses = population.losses
    chance = draw_chances(losses.uncertainty)
    found = draws(chance, MOST_DRAWS, seed=seed)
    different, first = np.unique(found, return_index=True)
    order = different[np.argsort(first)][:MOST_WANTED]
    if n > len(order):
        raise UsageError(f"{n} rows are asked for; {len(population.requests):,} recorded rows give {len(order):,}.")
    ends = correction_ends(losses.expected, chance, losses.possible)
    likely = losses.uncertainty[found] / (len(chance) * chance[found])
    place = {int(row): k for k, row in enumerate(order)}
    last = next((k for k, row in enumerate(found) if int(row) not in place), len(found))
    return LabelDraw(
        draw_id="",
        model=version.model,
        version=version.version,
        asked_at=datetime.min,
        asked_by="",
        n=n,
        seed=seed,
        drawn_by=population.drawn_by,
        metric=losses.metric,
        held_out=losses.held_out.mean,
        held_out_low=losses.held_out.low,
        held_out_high=losses.held_out.high,
        n_rows=len(population.requests),
        mean_expected=float(losses.expected.mean()),
        rows=tuple(
            DrawnRow(request=population.requests[row], chance=float(chance[row]), expected=float(losses.expected[row]))
            for row in order
        ),
        draws=tuple(place[int(row)] for row in found[:last]),
        least_correction=ends.low,
        greatest_correction=ends.high,
        is_limited=ends.is_limited,
        n_needed=expected_draws(likely, float(losses.expected.mean()), losses.held_out, ends, level=level),
    )


def _recorded(
    workspace: Workspace, version: ModelVersion, held_out: HeldOutRows, requests: Sequence[str] | None, now: datetime
) -> _Population:
    if requests is not None:
        names, answer = _answered(workspace, version, held_out, requests)
        _require_enough(
            len(names), "of the given requests are recorded with an answer of this version", "Give more ids."
        )
        return _Population(names, losses_by_strata(held_out, answer), BY_ANSWERS)
    logged = logged_features(
        workspace.features_file, version.model, version.version, start=now - WINDOW, end=now + timedelta(seconds=1)
    )
    cure = (
        "Set serving.log_features.share to sample answered rows (mask: ['*'] keeps ids and answers alone), or give the "
        "ids of requests to draw from."
    )
    _require_enough(len(logged), f"answered rows were sampled within the last {WINDOW.days} days", cure)
    return _sampled(held_out, logged)


def _sampled(held_out: HeldOutRows, logged: LoggedFeatures) -> _Population:
    """Draw from sampled rows: by their columns where an estimate is possible, else by their answers."""
    live = live_rows(held_out, logged)
    if any(name in live.rows for name in held_out.rows):
        try:
            found = estimate_performance(held_out, live, n_replicates=N_REPLICATES)
        except UsageError:  # too few held-out rows for a model of the losses
            pass
        else:
            metric, reference = found.performance.figures[0].metric, held_out_loss(held_out)
            losses = RowLosses(found.expected, found.uncertainty, metric, reference, found.possible)
            return _Population([logged.requests[at] for at in found.at], losses, BY_COLUMNS)
    return _Population(logged.requests, losses_by_strata(held_out, live.answer), BY_ANSWERS)


def _answered(
    workspace: Workspace, version: ModelVersion, held_out: HeldOutRows, requests: Sequence[str]
) -> tuple[list[str], AnyArray]:
    """Return the requests whose answers are recorded, in the order given, and these answers."""
    with closing(PredictionReader(workspace.predictions_file)) as reader:
        found = reader.followed(version.model, version.version, requests)
    answers = {
        request: value
        for request in dict.fromkeys(requests)
        if request in found and (value := _value_of(found[request].answer, len(held_out.classes))) is not None
    }
    return list(answers), np.array(list(answers.values()), dtype=np.float64)


def _value_of(answer: RecordedAnswer, n_classes: int) -> float | list[float] | None:
    if not n_classes:
        return answer.value if answer.form.kind is not AnswerKind.PROBABILITIES else None
    probabilities = probabilities_of(answer)
    if probabilities is None or len(probabilities) != n_classes:
        return None
    return float(probabilities[1]) if n_classes == 2 else list(probabilities)


def _require_enough(n: int, what: str, cure: str) -> None:
    if n < LEAST_LIVE:
        raise UsageError(f"{n:,} {what}; a draw needs {LEAST_LIVE} at least. {cure}")
