"""A model, a gate and a column: each is a class or a function, and a line in pyproject.toml."""

import numpy as np

from bondx import judge


class Duration:
    """The modified duration of a bond from its terms, by ridge regression."""

    label = "mod_duration"
    features = ("maturity_years", "coupon_pct", "annuity_years")  # annuity_years is computed, see below
    task = "regression"

    def __init__(self, ridge: float = 1.0) -> None:
        self.ridge = ridge
        self.centre = None
        self.coefficients = None

    def train(self, features, target):
        """Fit to a table and the labels of its rows."""
        table = features.to_numpy(dtype=float)
        self.centre = np.nanmean(table, axis=0)
        design = self._design(table)
        penalty = self.ridge * np.eye(design.shape[1])
        self.coefficients = np.linalg.solve(design.T @ design + penalty, design.T @ target)

    def predict(self, features):
        """Return the duration of each row, in years."""
        return self._design(features.to_numpy(dtype=float)) @ self.coefficients

    def _design(self, table):
        centred = np.where(np.isnan(table), 0.0, table - self.centre)
        return np.column_stack((np.ones(len(table)), centred))


def annuity_years(bonds):
    """A column: the present value of one a year until maturity, at 5 %."""
    return (1.0 - np.exp(-0.05 * bonds["maturity_years"])) / 0.05


def enough_issuers(bonds):
    """A gate: no draw of fewer than five issuers is trained on."""
    n_issuers = bonds["issuer_id"].nunique()
    return judge("enough_issuers", n_issuers, ">=", 5, unit="issuers", n_samples=len(bonds))
