"""The anomaly model for rows that never become a table: its forest's trees are already flat arrays."""

import numpy as np
from typing_extensions import override

from core.arrays import FloatArray
from core.domains.bonds.models.consistency import CERTAIN, LONGEST_YEARS
from core.domains.bonds.models.derived import DERIVED
from core.domains.bonds.models.designs import ANOMALY_FOREST
from core.domains.bonds.models.isolation import IsolationDetector
from core.domains.bonds.models.residual import residual_evidence
from core.domains.bonds.models.spread import SpreadModel
from core.domains.bonds.serving_fields import field_of
from core.models.learners.algorithms import LINEAR
from core.models.learners.derived import Log, LogOfOneMore
from core.models.learners.linear import LinearLearner
from core.models.scoring.features import CompiledSpace
from core.models.scoring.fields import Field, Rows, numbers_first
from core.models.scoring.learner import CompiledLearner
from core.models.scoring.scorer import RowScorer, UnsupportedSpaceError

_DATES = ("issue_date", "maturity_date")


class ResidualScorer(RowScorer):
    """The anomaly model by its residual detector, each row scored independently.

    Contradictions to other rows of the same table (duplicates, stale prices, a rating at odds with the issuer's
    other rows) need that table; a request of one row has none, so batches are scored row by row as well.
    """

    unit = "nats of evidence"

    def __init__(self, spread: SpreadModel) -> None:
        """Compile the spread model behind the residuals.

        Raises:
            UnsupportedSpaceError: It reads a derived column without a compiled form.
        """
        assert spread.space is not None
        space = CompiledSpace(spread.space, extra_numbers=("spread_bps", "maturity_years"))
        self._learner = CompiledLearner(spread.learners[spread.shipping], space)
        self.is_fast = self._learner.is_fast
        self._scale = spread.scale
        linear = spread.learners.get(LINEAR)
        self._linear = linear if isinstance(linear, LinearLearner) else None
        read = [field_of(name, space.levels.get(name)) for name in (*space.numbers, *space.categories)]
        dates = [Field(name=name, kind="date", nullable=True, required=False) for name in _DATES]
        self.fields = numbers_first([*read, *dates])
        names = [field.name for field in self.fields]
        self._spread_at, self._maturity_at = names.index("spread_bps"), names.index("maturity_years")

    @override
    def answer(self, rows: Rows) -> FloatArray:
        doubt = self._linear.doubt(self._learner.linear(rows)) if self._linear else 0.0
        score = self._learner.score(rows)
        evidence = residual_evidence(rows.numbers[:, self._spread_at], score, self._scale, doubt)
        years = rows.numbers[:, self._maturity_at]
        impossible = (years <= 0) | (years > LONGEST_YEARS)
        # The two dates are the last texts of a row; ISO dates compare as text.
        impossible |= [
            matures is not None and issued is not None and matures[:10] <= issued[:10]
            for *_, issued, matures in rows.texts
        ]
        return np.asarray(evidence + CERTAIN * impossible)


class ForestScorer(RowScorer):
    """The anomaly model by its isolation forest."""

    unit = "isolation score"

    def __init__(self, detector: IsolationDetector) -> None:
        """Compile a detector.

        Raises:
            UnsupportedSpaceError: It reads a derived column without a compiled form.
        """
        made = {name: how for name in ANOMALY_FOREST if (how := DERIVED.get(name)) is not None}
        if unknown := [name for name, how in made.items() if not isinstance(how, Log | LogOfOneMore)]:
            raise UnsupportedSpaceError(f"no compiled form of {', '.join(unknown)}")
        numbers = tuple(dict.fromkeys(source for name in ANOMALY_FOREST for source in DERIVED.sources(name)))
        self.fields = [field_of(name) for name in numbers]
        self._from = np.array([numbers.index(DERIVED.sources(name)[0]) for name in ANOMALY_FOREST], dtype=np.intp)
        self._is_log = np.array([isinstance(made.get(name), Log) for name in ANOMALY_FOREST])
        self._is_log1p = np.array([isinstance(made.get(name), LogOfOneMore) for name in ANOMALY_FOREST])
        self._floor = np.array([how.floor for how in made.values() if isinstance(how, Log)])
        self._forest = detector.learner

    @override
    def answer(self, rows: Rows) -> FloatArray:
        read = rows.numbers.take(self._from, axis=1)
        read[:, self._is_log] = np.log(np.maximum(read[:, self._is_log], self._floor))
        read[:, self._is_log1p] = np.log1p(np.maximum(read[:, self._is_log1p], 0.0))
        return self._forest.score(read)
