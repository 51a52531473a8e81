"""Explaining answers that a server has just given: the explainer of a whole version, and the sums that are kept."""

from typing import Final

import numpy as np
import pandas as pd

from core.arrays import IntArray
from core.errors import CoreError
from core.explain.deny_list import DenyList
from core.explain.documents import SUM_TOLERANCE
from core.explain.served_sketch import ContributionBasis, ContributionSketch
from core.state import Workspace
from core.training.own_data.explanation import ExplainRequest, prepared_explainer

LEAST_ROWS: Final = 2
"""Below these, rows that stand for others would not say how much they differ."""


class UnexplainedError(CoreError):
    """Rows that were answered cannot be explained."""


class ServedExplainer:
    """Explains rows of one version as `bondx explain` explains the version as a whole.

    Attributes:
        algorithm: How, in words.
    """

    def __init__(self, workspace: Workspace, model: str, version: str) -> None:
        """Load the version with its reference rows.

        Raises:
            CoreError: It cannot be loaded, or there are no reference rows.
        """
        self._prepared = prepared_explainer(workspace, ExplainRequest(model=model, version=version))
        self.algorithm = self._prepared.explainer.algorithm

    def sketch(
        self, rows: pd.DataFrame, n_rows: int, denied: DenyList, requests: IntArray | None = None
    ) -> ContributionSketch:
        """Explain rows of a minute, and add their contributions up.

        Args:
            rows: The rows, in the layout of a request.
            n_rows: How many answered rows they stand for.
            denied: Columns whose contributions become one.
            requests: The number of the request of each row, where whole requests were chosen first.
        Raises:
            UnexplainedError: Their contributions are no numbers, or do not sum to the answers.
            ContributionSketchError: As `ContributionSketch.of`.
        """
        explainer = self._prepared.explainer
        if len(rows) < min(LEAST_ROWS, n_rows):
            raise UnexplainedError(f"{len(rows)} of {n_rows:,} rows say too little")
        table = self._prepared.contributions(rows)
        if not np.isfinite(table.values).all():
            raise UnexplainedError("contributions are no numbers")
        if (missed := explainer.sum_error(table)) > SUM_TOLERANCE:
            raise UnexplainedError(f"contributions miss the answers by {missed:.1e}")
        basis = ContributionBasis(
            names=denied.names(explainer.players),
            algorithm=explainer.algorithm,
            scale=explainer.scale,
            output=explainer.output,
            reference=self._prepared.reference,
            is_sampled=table.errors is not None,
        )
        return ContributionSketch.of(basis, denied.merged(table.values, explainer.players), n_rows, requests)
