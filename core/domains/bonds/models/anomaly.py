"""Anomalous rows of a panel: two detectors side by side, and a threshold that follows the data.

The isolation forest looks at the row alone; the residual detector asks whether the spread is what the robust
spread model expects for such a bond, and whether the row contradicts the rest of the table. Neither reads the label;
if a panel has labels, they only decide which of the two ships.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import AnyArray, BoolArray, FloatArray
from core.domains.bonds.models.anomaly_scorer import ForestScorer, ResidualScorer
from core.domains.bonds.models.attainment import anomaly_attainment, anomaly_metrics
from core.domains.bonds.models.consistency import contradiction_evidence
from core.domains.bonds.models.derived import DERIVED
from core.domains.bonds.models.designs import ANOMALY_FOREST
from core.domains.bonds.models.isolation import IsolationDetector, forest_rows
from core.domains.bonds.models.mistyped import TYPO_ODDS, mistyped_evidence
from core.domains.bonds.models.residual import residual_evidence, share_of_anomalies
from core.domains.bonds.models.spread import SpreadModel
from core.models.anatomy import FOREST_SCALE, Anatomy
from core.models.errors import NotFittedError
from core.models.interface import Attainment, Model, PanelLike, table_of, truth_of
from core.models.learners.learner import Files
from core.models.learners.samples import Matrices
from core.models.parameters import require_usable
from core.models.persistence.archive import pack_arrays, read_model, unpack_arrays, write_model
from core.models.persistence.restoring import restoring
from core.models.ranking import average_precision
from core.models.scoring.scorer import RowScorer

FOREST, RESIDUAL = "isolation_forest", "residual"
MEMORY = 0.8
MAX_JUDGED_ROWS = 5_000
SPREAD_PREFIX = "spread."


class AnomalyModel(Model):
    """Detection without labels.

    Attributes:
        spread: The robust spread model behind the residuals. It is trained along, unless another model trained on
            the same panels replaces it (`absorb`).
        share: The estimated share of anomalous rows; follows the data.
        forest_threshold: The forest's score from which a row is reported as anomalous; follows the data.
        precision: Running average precision per detector, on labels never used in training.
    """

    name = "anomaly"
    task = "detection"
    label = "is_anomaly"
    algorithms = ("auto", FOREST, RESIDUAL)
    defaults: ClassVar[Mapping[str, Any]] = {"expected_share": 0.02, **IsolationDetector.defaults}

    def __init__(self, algorithm: str = "auto", parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(algorithm, parameters)
        require_usable(algorithm, self.parameters, self.defaults)
        self.share = float(self.parameters.get("expected_share", self.defaults["expected_share"]))
        self.detectors = (RESIDUAL, FOREST) if algorithm == "auto" else (algorithm,)
        self.forest = IsolationDetector(self.parameters)
        self.spread = SpreadModel()
        self.forest_threshold = 0.0
        self.precision: dict[str, float] = {}

    @property
    @override
    def warnings(self) -> tuple[str, ...]:
        return self.spread.warnings if RESIDUAL in self.detectors else ()

    @property
    def shipping(self) -> str:
        """The detector that predicts."""
        return max(self.detectors, key=lambda name: self.precision.get(name, 0.0))

    @property
    def threshold(self) -> float:
        """The score from which a row is reported as anomalous: for residuals, even odds given the share."""
        return self.forest_threshold if self.shipping == FOREST else float(np.log((1 - self.share) / self.share))

    @override
    def update(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        self.judge(panel)
        if RESIDUAL in self.detectors:
            self.spread.update(panel, seed=seed)
        self.absorb(panel, seed=seed)

    @override
    def learns_with(self, others: Mapping[str, Model]) -> str | None:
        for name, other in others.items():
            shares = isinstance(other, SpreadModel) and other.algorithm == self.spread.algorithm
            if shares and RESIDUAL in self.detectors:
                return name
        return None

    @override
    def update_with(
        self, other: Model, learn_other: Callable[[], None], panel: PanelLike | pd.DataFrame, *, seed: int
    ) -> None:
        assert isinstance(other, SpreadModel)
        self.judge(panel)
        learn_other()
        self.absorb(panel, seed=seed, spread=other)

    def judge(self, panel: PanelLike | pd.DataFrame) -> None:
        """Decide which detector ships, on a new panel, if that panel has labels."""
        bonds = table_of(panel).head(MAX_JUDGED_ROWS)
        if not self.n_updates or len(self.detectors) == 1 or not bonds.get(self.label, pd.Series([0])).any():
            return
        strange = bonds[self.label].to_numpy(dtype=np.float64)
        for name in self.detectors:
            reached = average_precision(strange, self.detect(name, bonds))
            self.precision[name] = MEMORY * self.precision.get(name, reached) + (1 - MEMORY) * reached

    def absorb(self, panel: PanelLike | pd.DataFrame, *, seed: int, spread: SpreadModel | None = None) -> None:
        """Train everything except the spread model on a panel.

        Args:
            panel: The panel.
            seed: The random seed.
            spread: A spread model just trained on this panel, to be used from now on.
        """
        bonds = table_of(panel)
        self.spread = spread or self.spread
        if FOREST in self.detectors:
            self.forest.learn(bonds, seed=seed)
            expected = float(self.parameters.get("expected_share", self.defaults["expected_share"]))
            scores = self.forest.score(bonds.head(MAX_JUDGED_ROWS))
            self.forest_threshold = self._follow(self.forest_threshold, float(np.quantile(scores, 1 - expected)))
        if RESIDUAL in self.detectors:
            found = share_of_anomalies(self.detect(RESIDUAL, bonds), self.share)
            self.share = self._follow(self.share, found)
        self.n_updates += 1
        self.n_rows += len(bonds)

    def detect(self, detector: str, bonds: pd.DataFrame) -> FloatArray:
        """Score rows with one of the two detectors."""
        if detector == FOREST:
            return self.forest.score(bonds)
        spread_bps = bonds["spread_bps"].to_numpy(dtype=np.float64)
        score, doubt = self.spread.expect(bonds)
        wrong_spread = residual_evidence(spread_bps, score, self.spread.scale, doubt)
        wrong = np.logaddexp(wrong_spread, TYPO_ODDS + mistyped_evidence(bonds, self.spread))
        return np.asarray(wrong + contradiction_evidence(bonds))

    @override
    def predict(self, frame: pd.DataFrame) -> FloatArray:
        if not self.n_updates:
            raise NotFittedError(self.name)
        return self.detect(self.shipping, frame)

    def flag(self, frame: pd.DataFrame) -> BoolArray:
        """Classify rows as anomalous or not, by the threshold that follows the data."""
        return self.predict(frame) >= self.threshold

    @override
    def decide(self, answer: AnyArray) -> BoolArray:
        return np.asarray(answer >= self.threshold)

    @override
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        bonds = table_of(panel)
        score = self.predict(bonds)
        flagged = score >= self.threshold
        strange = bonds[self.label].to_numpy(dtype=np.bool_)
        caught = float(np.sum(flagged & strange))
        return {
            **anomaly_metrics(bonds, truth_of(panel), score),
            "precision": caught / max(float(flagged.sum()), 1.0),
            "recall": caught / max(float(strange.sum()), 1.0),
            "threshold": self.threshold,
        }

    def attainment(self, panel: PanelLike, *, seed: int, same_draw: bool = False) -> Attainment:
        """Compare the average precision over all kinds of error with the best attainable."""
        return anomaly_attainment(panel, self.predict(panel.frame), same_draw=same_draw)

    @override
    def row_scorer(self) -> RowScorer:
        return ForestScorer(self.forest) if self.shipping == FOREST else ResidualScorer(self.spread)

    @override
    def anatomy(self) -> Anatomy | None:
        if self.shipping != FOREST:
            return None  # evidence is no sum over columns
        forest = self.forest.learner
        return Anatomy(
            columns=tuple(" x ".join(DERIVED.sources(name)) for name in ANOMALY_FOREST),
            matrices=lambda frame: Matrices.of(forest.filled(forest_rows(frame))),
            learner=forest.trees,
            scale=FOREST_SCALE,
            to_answer=np.exp2,
        )

    @override
    def as_strangers(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(bond_id=range(len(frame)), issuer_id=range(len(frame)), as_of_date=0)

    @override
    def feature_importance(self) -> dict[str, float]:
        if not self.n_updates:
            raise NotFittedError(self.name)
        if self.shipping == FOREST:
            return self.forest.importance()
        # A residual compares the spread with its expectation: half counts for the spread, half for the model's inputs.
        expected = {name: share / 2 for name, share in self.spread.feature_importance().items()}
        return {"spread_bps": 0.5, **expected}

    @override
    def report(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "algorithm": self.algorithm,
            "ships": self.shipping,
            "why": self._why(),
            "judged_on": "average precision on labels of each new panel, before training on it; earlier panels fade",
            "candidates": [
                {"candidate": name, "average_precision": self.precision.get(name)} for name in self.detectors
            ],
            "threshold": self.threshold,
            "share_of_anomalies": self.share,
            "spread_model": self.spread.report() if self.spread.n_updates else None,
            "continues_by": {FOREST: self.forest.continues_by, RESIDUAL: "the spread model behind its residuals"},
            "n_updates": self.n_updates,
            "n_rows": self.n_rows,
        }

    @override
    def save(self, folder: Path) -> list[Path]:
        if not self.n_updates:
            raise NotFittedError(self.name)
        header: dict[str, Any] = {
            "model": self.name,
            "algorithm": self.algorithm,
            "parameters": self.parameters,
            "n_updates": self.n_updates,
            "n_rows": self.n_rows,
            "share": self.share,
            "forest_threshold": self.forest_threshold,
            "precision": self.precision,
        }
        files: Files = {}
        if FOREST in self.detectors:
            files["arrays.npz"] = pack_arrays(self.forest.dump())
        if RESIDUAL in self.detectors:
            header["spread"], spread_files = self.spread.dump()
            files |= {f"{SPREAD_PREFIX}{name}": content for name, content in spread_files.items()}
        return write_model(folder, header, files)

    @classmethod
    @override
    def load(cls, folder: Path) -> Self:
        header, files = read_model(folder)
        with restoring(cls.name, header):
            model = cls(header["algorithm"], header["parameters"])
            model.n_updates, model.n_rows = int(header["n_updates"]), int(header["n_rows"])
            model.share, model.forest_threshold = float(header["share"]), float(header["forest_threshold"])
            model.precision = {str(name): float(value) for name, value in header["precision"].items()}
            if FOREST in model.detectors:
                arrays = unpack_arrays(files["arrays.npz"], name="arrays.npz")
                model.forest = IsolationDetector.restore(model.parameters, arrays, files)
            if RESIDUAL in model.detectors:
                model.spread = SpreadModel.restore(
                    header["spread"],
                    {n.removeprefix(SPREAD_PREFIX): blob for n, blob in files.items() if n.startswith(SPREAD_PREFIX)},
                )
        return model

    def _follow(self, before: float, now: float) -> float:
        return MEMORY * before + (1 - MEMORY) * now if self.n_updates else now

    def _why(self) -> str:
        if len(self.detectors) == 1:
            return f"{self.shipping} was requested"
        if not self.precision:
            return f"no labelled panel has been evaluated yet; {RESIDUAL} is the stronger detector by construction"
        figures = ", ".join(f"{name} {self.precision[name]:.3f}" for name in self.detectors)
        return f"average precision on the labels of new panels: {figures}"
