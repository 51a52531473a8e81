"""Off-market prices: how far a deal lies from the market, compared with how far sound deals like it lie.

The scale of sound deals is learned from the deals themselves, without labels: a robust model of the log of the miss.
The score is how much likelier the miss is if the deal is off-market by several scales than if it is sound.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from typing_extensions import override

from core.arrays import AnyArray, BoolArray, FloatArray
from core.domains.etrm.deals.quotes import miss_of
from core.domains.etrm.models import designs
from core.domains.etrm.models.deal_model import DealModel
from core.models.errors import NotFittedError
from core.models.interface import Attainment, Model, PanelLike, table_of, truth_of
from core.models.known_truth import detection_attainment, detection_metrics, truth_rows
from core.models.parameters import require_usable
from core.models.persistence.archive import read_model, write_model
from core.models.persistence.restoring import restoring

RESIDUAL = "residual"
MISS = "ln_miss"
LEAST_MISS = 1e-7
MEAN_LN_ABS = -0.6351814227307391  # E ln|Z| of a standard normal Z: −(γ + ln 2)/2
MOVES = np.linspace(2.0, 20.0, 73)  # scales by which a price may be off: wider than any single desk's errors
MEMORY = 0.8
_WORST = 1e3  # nats


class MissModel(DealModel):
    """Regression of the log of |price − market|; its answer, less a constant, is the log of the sd of sound deals."""

    name = "etrm_miss"
    task = "regression"
    label = MISS
    link = "regression"
    design = designs.MISS
    robust = True


class OffMarketModel(Model):
    """Detection without labels.

    Attributes:
        scale: The model of how far sound deals lie from the market.
        share: The estimated share of off-market deals; follows the data.
    """

    name = "etrm_off_market"
    task = "detection"
    label = "is_off_market"
    algorithms = ("auto", RESIDUAL)
    defaults: ClassVar[Mapping[str, Any]] = {"expected_share": 0.02}

    def __init__(self, algorithm: str = "auto", parameters: Mapping[str, Any] | None = None) -> None:
        super().__init__(algorithm, parameters)
        require_usable(algorithm, self.parameters, self.defaults)
        self.scale = MissModel("linear")
        self.share = float(self.parameters.get("expected_share", self.defaults["expected_share"]))

    @property
    def threshold(self) -> float:
        """The score from which a deal is declared off-market: even odds given the share."""
        return float(np.log((1 - self.share) / self.share))

    @override
    def update(self, panel: PanelLike | pd.DataFrame, *, seed: int) -> None:
        deals = table_of(panel)
        self.scale.update(deals.assign(**{MISS: _ln_miss(deals)}), seed=seed)
        odds = self._evidence(deals) + np.log(self.share / (1 - self.share))
        found = float(np.clip(np.mean(1 / (1 + np.exp(-np.clip(odds, -50, 50)))), 1e-4, 0.5))
        self.share = MEMORY * self.share + (1 - MEMORY) * found
        self.n_updates += 1
        self.n_rows += len(deals)

    @override
    def predict(self, frame: pd.DataFrame) -> FloatArray:
        if not self.n_updates:
            raise NotFittedError(self.name)
        return self._evidence(frame)

    @override
    def decide(self, answer: AnyArray) -> BoolArray:
        return np.asarray(answer >= self.threshold)

    @override
    def evaluate(self, panel: PanelLike | pd.DataFrame) -> dict[str, float]:
        deals, truth = table_of(panel), truth_of(panel)
        score, strange = self.predict(deals), deals[self.label].to_numpy(dtype=np.float64)
        declared = self.decide(score)
        caught = float(np.sum(declared & (strange == 1)))
        return {
            **detection_metrics(strange, score, None if truth is None else _evidence_of(truth, deals)),
            "precision": caught / max(float(declared.sum()), 1.0),
            "recall": caught / max(float(strange.sum()), 1.0),
            "threshold": self.threshold,
        }

    @override
    def attainment(self, panel: PanelLike, *, seed: int, same_draw: bool = False) -> Attainment:
        deals = table_of(panel)
        strange, group = deals[self.label].to_numpy(dtype=np.float64), deals["book_id"].to_numpy()
        return detection_attainment(strange, self.predict(deals), _evidence_of(truth_of(panel), deals), group)

    @override
    def feature_importance(self) -> dict[str, float]:
        if not self.n_updates:
            raise NotFittedError(self.name)
        scale = {name: share / 2 for name, share in self.scale.feature_importance().items()}
        return {"price": 0.25, "market_price": 0.25, **scale}

    @override
    def report(self) -> dict[str, Any]:
        return {
            "model": self.name,
            "algorithm": self.algorithm,
            "ships": RESIDUAL,
            "why": "it is the only candidate",
            "threshold": self.threshold,
            "share_of_anomalies": self.share,
            "scale_model": self.scale.report() if self.scale.n_updates else None,
            "n_updates": self.n_updates,
            "n_rows": self.n_rows,
        }

    @override
    def save(self, folder: Path) -> list[Path]:
        if not self.n_updates:
            raise NotFittedError(self.name)
        scale, files = self.scale.dump()
        header = {
            "model": self.name,
            "algorithm": self.algorithm,
            "parameters": self.parameters,
            "n_updates": self.n_updates,
            "n_rows": self.n_rows,
            "share": self.share,
            "scale_model": scale,
        }
        return write_model(folder, header, files)

    @classmethod
    @override
    def load(cls, folder: Path) -> Self:
        header, files = read_model(folder)
        with restoring(cls.name, header):
            model = cls(header["algorithm"], header["parameters"])
            model.n_updates, model.n_rows = int(header["n_updates"]), int(header["n_rows"])
            model.share = float(header["share"])
            model.scale = MissModel.restore(header["scale_model"], files)
        return model

    def _evidence(self, deals: pd.DataFrame) -> FloatArray:
        """Compare the hypotheses that deals are off-market and that they are sound, in nats."""
        ln_sd = self.scale.score(deals) - MEAN_LN_ABS
        z = np.exp(np.minimum(_ln_miss(deals) - ln_sd, 4.0))[:, None]
        terms = z * MOVES - MOVES**2 / 2 + np.log1p(np.exp(-2 * z * MOVES)) - np.log(2)
        top = terms.max(axis=1)
        return np.asarray(np.minimum(top + np.log(np.mean(np.exp(terms - top[:, None]), axis=1)), _WORST))


def _ln_miss(deals: pd.DataFrame) -> FloatArray:
    price, market = (deals[name].to_numpy(dtype=np.float64) for name in ("price", "market_price"))
    return np.log(np.maximum(np.abs(miss_of(price, market)), LEAST_MISS))


def _evidence_of(truth: pd.DataFrame | None, deals: pd.DataFrame) -> FloatArray:
    return truth_rows(truth, deals)["off_market_evidence"].to_numpy(dtype=np.float64)
