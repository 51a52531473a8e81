"""Which columns act together: Shapley interactions where they are exact and affordable, else the H-statistic."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd

from core.arrays import FloatArray, IntArray
from core.explain.documents import FeatureInteraction
from core.explain.explainer import Explainer
from core.intervals import mean_interval

MOST_PRODUCTS: Final = 2_000_000_000
MOST_ROWS: Final = 200
LEAST_ROWS: Final = 20  # of an exact strength; a model that affords fewer is asked instead
MOST_PAIRS: Final = 20
N_ASKED: Final = 6  # columns whose pairs are asked about
N_POINTS: Final = 40


class Interactions(NamedTuple):
    """Interactions of pairs, the strongest first, and how they were found."""

    found: tuple[FeatureInteraction, ...]
    method: str


def interactions_of(
    explainer: Explainer, rows: pd.DataFrame, names: Sequence[str], units: IntArray, *, seed: int
) -> Interactions:
    """Measure how much pairs of columns do together.

    Args:
        explainer: Of the model.
        rows: The rows that explain it.
        names: The columns that may appear, the most important first.
        units: The group of each row; rows of a group are one piece of evidence.
        seed: Of the rows, where only some are taken.
    """
    cost = explainer.interaction_cost
    affordable = 0 if cost is None else min(MOST_ROWS, MOST_PRODUCTS // max(cost, 1))
    order = np.random.default_rng(seed).permutation(len(rows))
    if cost is not None and affordable >= min(LEAST_ROWS, len(rows)):
        chosen = np.sort(order[:affordable])
        values = explainer.interactions(rows.iloc[chosen].reset_index(drop=True))
        assert values is not None
        method = f"exact Shapley interactions of {len(chosen):,} rows, about {cost:,} products a row"
        return Interactions(_exact(values, explainer.players, names, units[chosen]), method)
    asked = rows.iloc[np.sort(order[:N_POINTS])].reset_index(drop=True)
    found, n_answers = _h_statistics(explainer, asked, list(names)[:N_ASKED])
    why = "the model has no exact algorithm" if cost is None else f"a row of an exact one takes {cost:,} products"
    return Interactions(
        found,
        f"H-statistic of the pairs of the {min(N_ASKED, len(names))} most important columns, since {why}: "
        f"{n_answers:,} answers of the model",
    )


def _exact(
    values: FloatArray, players: Sequence[str], names: Sequence[str], units: IntArray
) -> tuple[FeatureInteraction, ...]:
    """Return the mean size of each pair's interaction with its interval over groups."""
    at = {name: k for k, name in enumerate(players)}
    pairs = [(one, other) for k, one in enumerate(names) for other in names[k + 1 :]]
    if not pairs:
        return ()
    sizes = np.abs(np.stack([values[:, at[one], at[other]] for one, other in pairs], axis=1))
    mean = sizes.mean(axis=0)
    strongest = [k for k in np.argsort(-mean, kind="stable").tolist() if mean[k] > 0][:MOST_PAIRS]
    limits = [mean_interval(sizes[:, k], units, reference=float(mean.mean())) for k in strongest]
    return tuple(
        FeatureInteraction(
            features=pairs[k],
            strength=float(mean[k]),
            low=None if each is None else each.low,
            high=None if each is None else each.high,
        )
        for k, each in zip(strongest, limits, strict=True)
    )


def _h_statistics(
    explainer: Explainer, rows: pd.DataFrame, names: Sequence[str]
) -> tuple[tuple[FeatureInteraction, ...], int]:
    """Return the H-statistic of each pair, and how many rows the model answered.

    Source:
        Friedman and Popescu, Predictive learning via rule ensembles, Annals of Applied Statistics 2 (2008), equation
        44: the variance of the joint partial dependence that the sum of the two does not have.
    """
    n = len(rows)
    at, own = np.repeat(np.arange(n), n), np.tile(np.arange(n), n)
    n_answers = 0

    def dependence(*columns: str) -> FloatArray:
        nonlocal n_answers
        n_answers += n * n
        frame = rows.iloc[own].reset_index(drop=True)
        frame = frame.assign(**{name: rows[name].iloc[at].array for name in columns})
        means = explainer.margin(frame).reshape(n, n).mean(axis=1)
        return np.asarray(means - means.mean())

    alone = {name: dependence(name) for name in names}
    found = []
    for k, one in enumerate(names):
        for other in names[k + 1 :]:
            together = dependence(one, other)
            beyond = together - alone[one] - alone[other]
            whole = float(np.mean(np.square(together)))
            share = min(1.0, float(np.mean(np.square(beyond))) / whole) if whole > 0 else 0.0
            strength = float(np.sqrt(np.mean(np.square(beyond))))
            found.append(FeatureInteraction(features=(one, other), strength=strength, h_statistic=share**0.5))
    return tuple(sorted(found, key=lambda each: -each.strength)), n_answers
