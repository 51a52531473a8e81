"""A package of models as a desk would install it, with two faults that only traffic shows.

Both are table models that answer as well as any other, when they answer.
"""

import time

import pandas as pd

from core.arrays import FloatArray
from core.domains.table.models import TableModel

PACKAGE = "desk_models"  # its name where it is installed
REMOTE_SECONDS = 2.5


class ForgetfulModel(TableModel):
    """Looks each district up in what it learnt from, and knows nothing to do with another."""

    name = "desk_forgetful"

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        known = {level: code for column in self.signature.columns for code, level in enumerate(column.levels)}
        for district in frame["district"].astype(str):
            known[district]
        return super().predict(frame)


class FarAwayModel(TableModel):
    """Asks a machine far away for every answer."""

    name = "desk_far_away"

    def predict(self, frame: pd.DataFrame) -> FloatArray:
        time.sleep(REMOTE_SECONDS)
        return super().predict(frame)
