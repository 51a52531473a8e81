"""The models of energy trading, asked through a client of any server of models."""

from collections.abc import Mapping
from typing import Any, TypedDict

from core.client import Client
from core.client.errors import BrokenAnswerError, RejectedError
from core.domains.etrm.levels import risk_level


class RiskScore(TypedDict):
    """The answer to one deal."""

    risk_score: float
    risk_level: str


class ETRMModelClient:
    """Asks for risk scores and breaches by name.

    Fields that are left out are unknown: our server's models impute them. A model on another server has the fields that
    it was made with; that server says which it misses.
    """

    def __init__(self, client: Client, *, risk_model: str = "etrm_risk", breach_model: str = "etrm_breach") -> None:
        """Wrap a client.

        Args:
            client: Of the server; it stays open, and is closed by its owner.
            risk_model: The name of the model of risk scores there.
            breach_model: The name of the model of breaches there.
        """
        self.client = client
        self._risk_model = risk_model
        self._breach_model = breach_model

    def predict_risk_score(self, features: Mapping[str, Any], **which: Any) -> RiskScore:
        """Score one deal.

        Args:
            features: Such as `{"volume": 1000.0, "price": 75.5, "volatility": 0.25}`.
            which: `version`, `label`, `key` or `request_id`, as of `Client.predict`.
        Returns:
            The score, 0 to 1, and its level: low, medium, high or critical.
        Raises:
            RejectedError: There are no features, or the server refuses them.
            BrokenAnswerError: The answer is no number from 0 to 1.
            ClientError: As `Client.predict`.

        >>> risk_level(0.6)
        'high'
        """
        score = self._share(self._risk_model, features, which)
        return {"risk_score": score, "risk_level": risk_level(score)}

    def predict_breach(self, features: Mapping[str, Any], **which: Any) -> dict[str, float]:
        """Return the probability that a deal's book breaches its limit within five days; raises as above."""
        return {"breach_probability": self._share(self._breach_model, features, which)}

    def _share(self, model: str, features: Mapping[str, Any], which: dict[str, Any]) -> float:
        if not features:
            raise RejectedError("There are no features: give at least one, such as volume.")
        value = self.client.predict(model, dict(features), **which).value
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise BrokenAnswerError(model, f"it answers {value!r}, which is no number from 0 to 1")
        return float(value)
