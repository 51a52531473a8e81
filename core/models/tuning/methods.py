"""The methods of a search, by their names in the settings."""

from typing import Literal, TypeAlias

from core.models.tuning.bayesian import BayesianSampler
from core.models.tuning.ranges import SearchRanges, grid, n_points
from core.models.tuning.sampling import ListSampler, RandomSampler, TrialSampler

SearchMethod: TypeAlias = Literal["grid_search", "random_search", "bayesian"]

MOST_LISTED = 10_000
"""Combinations of a random search up to which none comes twice."""


def sampler_of(method: SearchMethod, ranges: SearchRanges, *, n_trials: int, seed: int) -> TrialSampler:
    """Make the sampler of a method.

    Args:
        method: How parameters are searched.
        ranges: What they may be.
        n_trials: How many trials there will be.
        seed: The random seed.
    Raises:
        UsageError: The grid is too large.
        MissingOptunaError: The method needs Optuna, which is not installed.
    """
    if method == "grid_search":
        nodes = grid(ranges)  # in a random order where the budget does not reach to the last
        return ListSampler(nodes, is_shuffled=len(nodes) > n_trials, seed=seed)
    points = n_points(ranges)
    if points is not None and (method == "random_search" or points <= n_trials) and points <= MOST_LISTED:
        return ListSampler(grid(ranges), is_shuffled=True, seed=seed)
    if method == "random_search":
        return RandomSampler(ranges, seed=seed)
    return BayesianSampler(ranges, n_trials=n_trials, seed=seed)
