"""Labels: present, and not all alike."""

from collections.abc import Callable, Sequence

import numpy as np

from core.quality.cells import Cells
from core.quality.check import Measurement, UnreadableError

FEWEST_ISSUERS = 100  # with fewer, a year without a single downgrade or shock happens


def constant_labels(names: Sequence[str]) -> Callable[[Cells], Measurement]:
    """Count the labels with one value in every row: nothing can be learned from them, so any is a gross breach."""

    def measure(cells: Cells) -> Measurement:
        try:
            n_issuers = len(np.unique(cells.labels("issuer_id").codes))
        except UnreadableError:
            n_issuers = cells.n_rows
        constant = []
        for name in names:
            try:
                values = cells.numbers(name)
            except UnreadableError:
                continue  # reported by the check of missing labels
            seen = values[~np.isnan(values)]
            if n_issuers >= FEWEST_ISSUERS and seen.max() == seen.min():
                constant.append(f"{name} is {seen[0]:g} in every row")
        reason = "; ".join(constant) or "every label varies, or its issuers are few"
        return Measurement(
            float(len(constant)), cells.n_rows, reason=reason, culprits=tuple(constant), is_gross=bool(constant)
        )

    return measure
