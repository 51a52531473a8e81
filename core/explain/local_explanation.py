"""Why a model answers one row as it does."""

import operator
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import pandas as pd

from core.arrays import BoolArray, FloatArray
from core.errors import UsageError
from core.escape import shown
from core.explain.columns import Ranks, shown_cell
from core.explain.counterfactual import smallest_change
from core.explain.deny_list import NONE_DENIED, DenyList
from core.explain.documents import (
    AnswerInterval,
    Counterfactual,
    FeatureContribution,
    LocalExplanation,
    NearRow,
)
from core.explain.explainer import Explainer
from core.explain.reference_parts import standard_error

N_NEAREST: Final = 3
_SIDES: Final = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt}


def explain_row(
    explainer: Explainer,
    row: pd.DataFrame,
    nearby: pd.DataFrame,
    *,
    reference: str,
    actual: FloatArray | None = None,
    turn: str | None = None,
    fixed: Sequence[str] = (),
    own_place: int | None = None,
    interval: AnswerInterval | None = None,
    denied: DenyList = NONE_DENIED,
    notes: tuple[str, ...] = (),
) -> LocalExplanation:
    """Explain one row.

    Args:
        explainer: Of the model.
        row: A table of one row.
        nearby: Rows among which the nearest are found, and whose values a changed row may take.
        reference: What the base is the mean of, in words.
        actual: The outcomes of `nearby`.
        turn: Also search the smallest change after which the answer is, for instance, `>=0.5`; empty: after which the
            model decides otherwise.
        fixed: Columns that may not change.
        own_place: The place of the row among the rows nearby, if it is one of them.
        interval: Of the answer.
        denied: The columns that must not appear.
        notes: What else a reader must know.
    Raises:
        UsageError: `turn` cannot be read, or the model does not decide.
    """
    table = explainer.contributions(row)
    names = denied.names(explainer.players)
    values = denied.merged(table.values, explainer.players)[0]
    errors = None if table.errors is None else np.sqrt(denied.merged(np.square(table.errors), explainer.players))[0]
    said = [*explainer.notes, *notes]
    if parts := [denied.merged(part, explainer.players)[0] for part in explainer.by_part(row)]:
        errors = standard_error(parts)
        said.append("The spread is the standard error over the choice of the reference rows.")
    order = sorted(range(len(names)), key=lambda k: (-abs(values[k]), names[k]))
    prediction = float(explainer.predict(row)[0])
    visible = [names[k] for k in order if names[k] in row]
    counterfactual = None
    if fixed and turn is None:
        raise UsageError("Columns are fixed, and nothing is to turn: say which answer counts as turned, too.")
    if (unknown := next((name for name in fixed if name not in row), None)) is not None:
        raise UsageError(f"{shown(unknown)} is fixed, and no column of the row; choose from {', '.join(visible)}.")
    if turn is not None:
        allowed = [name for name in visible if name not in fixed]
        counterfactual = _turned(explainer, row, nearby, allowed, turn, prediction)
        if counterfactual is None:
            said.append("No change of up to three columns turns the answer.")
    return LocalExplanation(
        prediction=prediction,
        margin=float(table.margin[0]),
        base=float(explainer.base),
        reference=reference,
        scale=denied.scale_of_answers(explainer.scale),
        algorithm=explainer.algorithm,
        method=explainer.method,
        cost=explainer.cost,
        output=explainer.output,
        contributions=tuple(
            FeatureContribution(
                feature=names[k],
                value=shown_cell(row[names[k]].iloc[0]) if names[k] in row else None,
                contribution=float(values[k]),
                error=None if errors is None else float(errors[k]),
            )
            for k in order
        ),
        sum_error=explainer.sum_error(table),
        nearest=_nearest(explainer, row, nearby, visible, actual, own_place),
        counterfactual=counterfactual,
        interval=interval,
        notes=tuple(said),
    )


def _nearest(
    explainer: Explainer,
    row: pd.DataFrame,
    nearby: pd.DataFrame,
    names: Sequence[str],
    actual: FloatArray | None,
    own_place: int | None,
) -> tuple[NearRow, ...]:
    shared = [name for name in names if name in nearby]
    if not shared or not len(nearby):
        return ()
    ranks = Ranks(nearby, shared)
    distance = np.mean([ranks.distance(name, nearby[name], row[name]) for name in shared], axis=0)
    order = [place for place in np.argsort(distance, kind="stable").tolist() if place != own_place][:N_NEAREST]
    answers = explainer.predict(nearby.iloc[order])
    return tuple(
        NearRow(
            row=int(place),
            distance=float(distance[place]),
            prediction=float(answer),
            actual=None if actual is None or not np.isfinite(actual[place]) else float(actual[place]),
        )
        for place, answer in zip(order, answers.tolist(), strict=True)
    )


def _turned(
    explainer: Explainer,
    row: pd.DataFrame,
    nearby: pd.DataFrame,
    names: Sequence[str],
    turn: str,
    prediction: float,
) -> Counterfactual | None:
    if turn:
        turns = _side(turn)
    else:
        now = explainer.decide(np.array([prediction]))
        if now is None:
            raise UsageError("The model decides nothing, so say which answer counts as turned, such as --turn '>=200'.")

        def turns(answers: FloatArray) -> BoolArray:
            return np.asarray(explainer.decide(answers) != now[0])

    if bool(turns(np.array([prediction]))[0]):
        raise UsageError(f"The answer {prediction:.6g} is already {turn}: name the other side.")
    shared = [name for name in names if name in nearby]
    return smallest_change(row, nearby, shared, explainer.predict, turns)


def _side(turn: str) -> Callable[[FloatArray], BoolArray]:
    text = turn.strip()
    sign = next((sign for sign in _SIDES if text.startswith(sign)), None)
    try:
        limit = float(text[len(sign) :]) if sign is not None else float("nan")
    except ValueError:
        limit = float("nan")
    if sign is None or not np.isfinite(limit):
        raise UsageError(f"{shown(turn)} is no side of a number: write, for instance, >=0.5 or <200.")
    compare = _SIDES[sign]
    return lambda answers: np.asarray(compare(answers, limit))
