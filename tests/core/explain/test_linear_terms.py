"""The closed form of linear models on a design, against the definition over all coalitions of table columns."""

import numpy as np
import pandas as pd
import pytest

from core.explain.linear_terms import LinearTerms, linear_columns, most_sources
from core.explain.shapley import shapley_of_coalitions
from core.models.learners.derived import Among, AtLeast, DerivedColumns, Log
from core.models.learners.feature_space import Curve, Design, FeatureSpace, Levels, Product

DERIVED = DerivedColumns(
    {
        "ln_size": Log("size", 0.1),
        "is_large": AtLeast("size", 2.0),
        "is_local": Among({"region": frozenset({"a"})}, {"currency": frozenset({"x"})}),
    }
)
DESIGN = Design(
    derived=DERIVED,
    terms=(
        Curve("rating", bends=2),
        Curve("ln_size", within="rating", bends=1, nullable=True),
        Curve("is_large"),
        Curve("is_local"),
        Levels("region"),
        Levels("currency"),
        Product("rating", "region"),
        Product("rating", "ln_size"),
        Product("is_local", "ln_size", straight=True),
        Product("region", "currency"),
        Product("is_local", "region"),
    ),
    tree_numbers=("rating", "size"),
    tree_categories=("region", "currency"),
)


def rows(n_rows: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(size=n_rows))
    size[rng.random(n_rows) < 0.2] = np.nan
    return pd.DataFrame(
        {
            "rating": rng.integers(0, 10, n_rows).astype(float),
            "size": size,
            "region": pd.Categorical(rng.choice(["a", "b", "c"], n_rows), categories=["a", "b", "c"]),
            "currency": rng.choice(["x", "y"], n_rows),
        }
    )


def make():
    space = FeatureSpace.learn(DESIGN, rows(300, 0), model="small")
    coefficients = np.random.default_rng(1).normal(size=space.n_linear + 1)
    background = rows(25, 2)
    terms = LinearTerms(space, coefficients, background, space.linear(background))
    return space, coefficients, background, terms


def score(space: FeatureSpace, coefficients, frame: pd.DataFrame):
    return space.linear(frame).astype(np.float64) @ coefficients[1:] + coefficients[0]


def test_contributions_are_the_shapley_values_of_the_columns_of_the_table():
    space, coefficients, background, terms = make()
    names = linear_columns(space)
    explained = rows(8, 3)
    found = terms.contributions(explained, space.linear(explained), names)
    for place in range(len(explained)):
        worths = []
        for coalition in range(2 ** len(names)):
            mixed = background.copy()
            for k, name in enumerate(names):
                if coalition >> k & 1:
                    mixed[name] = explained[name].iloc[[place] * len(background)].to_numpy()
            worths.append(np.array(score(space, coefficients, mixed).mean()))
        assert found[place] == pytest.approx(np.array(shapley_of_coalitions(worths)), abs=1e-5)  # cells are float32


def test_contributions_and_base_sum_to_the_score():
    space, coefficients, background, terms = make()
    explained = rows(450, 4)  # in several batches
    found = terms.contributions(explained, space.linear(explained), linear_columns(space))
    assert terms.base == pytest.approx(score(space, coefficients, background).mean(), abs=1e-9)
    assert terms.base + found.sum(axis=1) == pytest.approx(score(space, coefficients, explained), abs=1e-9)


def test_a_term_reads_the_columns_behind_its_derived_columns():
    space = make()[0]
    assert set(linear_columns(space)) == {"rating", "size", "region", "currency"}
    assert most_sources(space) == 4  # is_local x ln_size for its rating: region, currency, size, rating
