"""Labelled answers made up for tests, and the profiles of what answered them."""

import numpy as np
import pandas as pd

from core.losses import AnswerForm, AnswerKind, pack_probabilities
from core.models.outcomes import Outcomes
from core.monitoring.data_profile import DataProfile
from core.monitoring.performance.recorded_slices import RecordedColumn, code_of_row
from core.monitoring.profiling import profile_columns, profile_of
from core.tables.signature import ColumnKind
from core.telemetry.predictions import LabelledAnswers, MatchedOutcome

HOUR_US = 3_600_000_000
NUMBER = AnswerForm(AnswerKind.NUMBER)
EVENT = AnswerForm(AnswerKind.PROBABILITIES, ("no", "yes"))
CLASSES = AnswerForm(AnswerKind.PROBABILITIES, ("a", "b", "c"))
REGIONS = (RecordedColumn("region", ("EU", "US")),)


def labelled(form, answer, actual, *, at_us, unit=None, region=None, first=0):
    """Return answers with their outcomes, as the store gives them."""
    rows = []
    requests = np.random.default_rng(first).integers(-(2**63), 2**63 - 1, len(actual))
    at = at_us + np.arange(len(actual)) if np.ndim(at_us) == 0 else at_us  # rows of one time are of one request
    for i, came in enumerate(actual):
        is_class = bool(form.classes)
        many = is_class and np.ndim(answer) == 2
        rows.append(
            MatchedOutcome(
                route=1,
                unit=None if unit is None else int(unit[i]),
                slices=None if region is None else code_of_row(REGIONS, {"region": region[i]}),
                value=None if many else float(answer[i]),
                detail=pack_probabilities(answer[i]) if many else None,
                actual=None if is_class else float(came),
                name=form.classes[int(came)] if is_class else None,
                loss=None,
                request=int(requests[i]),
                at_us=int(at[i]),
            )
        )
    return LabelledAnswers(form, rows)


def profile(form, answer, actual, region=None) -> DataProfile:
    """Profile held-out answers."""
    rows = pd.DataFrame({"region": pd.Categorical(["EU"] * len(actual) if region is None else region)})
    outcomes = Outcomes(rows, np.asarray(answer, dtype=float), np.asarray(actual, dtype=float), form.classes)
    columns = profile_columns(rows, {"region": ColumnKind.CATEGORY})
    return profile_of(columns, features=("region",), target=None, group=None, held_out=outcomes)
