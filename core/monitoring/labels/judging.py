"""What the outcomes of wanted requests prove, how many more decide, and by when."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np

from core.json_documents import decode_json
from core.losses import LossKind, LossRule, loss_of
from core.monitoring.documents import LabelsPart
from core.monitoring.labels.draws import MOST_WANTED, LabelDraw
from core.monitoring.labels.sampling import (
    LEAST_LABELS,
    LEVEL,
    CorrectionEnds,
    LabelledMean,
    is_undecidable,
    level_of_draw,
    mean_of_draws,
)
from core.monitoring.verdicts import PerformanceVerdict
from core.telemetry.predictions import PredictionReader

IN_WORDS = {"log_loss": "log loss", "mae": "absolute error", "accuracy": "share of wrong classes"}
_KINDS = {"log_loss": LossKind.LOG, "accuracy": LossKind.ZERO_ONE, "mae": LossKind.ABSOLUTE}


class KnownLoss(msgspec.Struct, frozen=True, array_like=True):
    """The loss of a wanted row."""

    loss: float
    at: datetime  # when its outcome came


class KnownLosses(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the rows of one draw: kept by the engine, since predictions and outcomes expire.

    Attributes:
        draw: The draw.
        losses: By request.
        expired: Requests of which nothing is stored any more.
        unusable: Requests with an outcome of which no loss can be computed.
    """

    draw: str = ""
    losses: Mapping[str, KnownLoss] = {}
    expired: frozenset[str] = frozenset()
    unusable: frozenset[str] = frozenset()


def known_losses(state: bytes | None, draw: LabelDraw) -> KnownLosses:
    """Read what the engine has kept of a draw; nothing if it is about another draw."""
    try:
        found = decode_json(state, KnownLosses) if state else KnownLosses()
    except msgspec.DecodeError:
        found = KnownLosses()
    return found if found.draw == draw.draw_id else KnownLosses(draw=draw.draw_id)


def caught_up(known: KnownLosses, draw: LabelDraw, predictions: Path) -> KnownLosses:
    """Add the outcomes that came since.

    Args:
        known: What is known of the draw.
        draw: The draw.
        predictions: The store of predictions and outcomes.
    Raises:
        TelemetryError: It cannot be read.
    """
    awaited = [row.request for row in draw.rows if row.request not in known.losses]
    reader = PredictionReader(predictions)
    try:
        found = reader.followed(draw.model, draw.version, awaited)
    finally:
        reader.close()
    rule = LossRule(kind=_KINDS[draw.metric])
    losses, unusable = dict(known.losses), set()
    for request, followed in found.items():
        if followed.came_at_us is None:
            continue
        loss = None if followed.actual is None else loss_of(rule, followed.answer, followed.actual)
        if loss is None:
            unusable.add(request)
        else:
            losses[request] = KnownLoss(loss, datetime.fromtimestamp(followed.came_at_us / 1e6, UTC))
    return KnownLosses(
        draw=draw.draw_id,
        losses=losses,
        expired=frozenset(request for request in awaited if request not in found),
        unusable=frozenset(unusable),
    )


def judged(draw: LabelDraw, known: KnownLosses, now: datetime) -> LabelsPart:
    """Say what the known outcomes of a draw prove.

    Args:
        draw: The draw.
        known: The losses of its rows.
        now: The time.
    """
    requests = [row.request for row in draw.rows]
    gap = next((k for k, at in enumerate(draw.draws) if requests[at] not in known.losses), len(draw.draws))
    rows = [draw.rows[at] for at in draw.draws[:gap]]
    correction = [(known.losses[row.request].loss - row.expected) / (draw.n_rows * row.chance) for row in rows]
    ends = CorrectionEnds(draw.least_correction, draw.greatest_correction, draw.is_limited)
    found = mean_of_draws(
        np.array(correction, dtype=np.float64),
        draw.mean_expected,
        draw.reference,
        ends,
        level=level_of_draw(draw.number),
    )
    wanted = requests[: draw.n]
    expired = [request for request in wanted if request in known.expired]
    by_when, n_more, expected_at = _by_when(draw, known, found, now)
    return LabelsPart(
        as_of=now,
        draw=draw.draw_id,
        asked_at=draw.asked_at,
        asked_by=draw.asked_by,
        verdict=found.verdict,
        reason=_reason(draw, found),
        by_when=by_when,
        loss=IN_WORDS[draw.metric],
        value=found.value,
        low=found.low,
        high=found.high,
        reference=draw.held_out,
        n_rows=draw.n_rows,
        n_wanted=draw.n,
        n_outcomes=sum(request in known.losses for request in wanted),
        n_draws=found.n_draws,
        n_needed=n_more,
        expected_at=expected_at,
        n_expired=len(expired),
        notes=tuple(_notes(draw, known, gap, expired)),
    )


def _reason(draw: LabelDraw, found: LabelledMean) -> str:
    if found.value is None:
        return f"the first {LEAST_LABELS} draws decide nothing before all of them have outcomes"
    interval = f"{found.value:.4g} ({found.low:.4g} to {found.high:.4g})"
    return f"{IN_WORDS[draw.metric]} {interval} by wanted outcomes, {draw.reference.in_words}"


def _by_when(
    draw: LabelDraw, known: KnownLosses, found: LabelledMean, now: datetime
) -> tuple[str, int | None, datetime | None]:
    """Return how many more outcomes decide and by when: in words, as a number, and as a time."""
    if found.verdict is not PerformanceVerdict.OPEN:
        return "", None, None
    if found.value is not None and is_undecidable(found.value, draw.reference):
        return "the held-out rows are too few to settle a difference this small, however many outcomes come", None, None
    needed = found.n_needed if found.value is not None else draw.n_needed
    if needed is None:
        return "more than a million draws would decide: the loss is too close to its limit", None, None
    needed = max(needed, LEAST_LABELS)
    if needed > len(draw.draws):
        return f"about {needed:,} draws would decide, more than one draw has ({len(draw.draws):,})", None, None
    different = {draw.rows[at].request for at in draw.draws[:needed]}
    more = sum(request not in known.losses for request in different)
    count = f"about {more:,} more {'outcome' if more == 1 else 'outcomes'} would decide"
    if len(different) > draw.n:
        count += f" (ask for {min(len(different), MOST_WANTED):,} rows: --n)"
    since = [each.at for each in known.losses.values() if each.at > draw.asked_at]
    if not since or now <= draw.asked_at:
        return f"{count}; when cannot be known: none has come since they were asked for", more, None
    at = now + timedelta(seconds=(now - draw.asked_at).total_seconds() * more / len(since))
    return f"{count}, expected by {at:%Y-%m-%d %H:%M} UTC at the rate so far", more, at


def _notes(draw: LabelDraw, known: KnownLosses, gap: int, expired: list[str]) -> list[str]:
    notes = []
    if draw.number > 1:
        notes.append(
            f"Draw {draw.number:,} of this version: its interval misses with a probability of "
            f"{level_of_draw(draw.number):.2g} at most, so that those of all draws together miss with "
            f"{LEVEL:.0%} at most."
        )
    if expired:
        what = "prediction is" if len(expired) == 1 else "predictions are"
        notes.append(
            f"{len(expired):,} wanted {what} not stored, so no outcome can be matched: expired, or never recorded."
        )
    unusable = sum(row.request in known.unusable for row in draw.rows[: draw.n])
    if unusable:
        notes.append(f"{unusable:,} wanted outcomes cannot be used: they give a loss alone, or no value of this model.")
    if gap < len(draw.draws):
        blocking = draw.rows[draw.draws[gap]].request
        if blocking in known.expired or blocking in known.unusable:
            notes.append(f"No further outcome counts, since that of {blocking} is missing. Draw again (--again).")
    return notes
