"""Which candidate ships: judged only on groups it was not trained on, with the uncertainty of the difference.

Before a model learns from a panel, each candidate predicts it. These losses are out of sample and cost nothing
extra, so the comparison continues as long as the model learns. Earlier panels fade, because the candidates have
learned since. Simpler candidates come first, and a more complex candidate wins only with a clear gain.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np

from core.arrays import FloatArray, IntArray

FADE = 0.9  # share of their weight that earlier panels keep, per panel
CLEAR = 2.0  # standard errors by which a more complex candidate must lead
HOPELESS = 5.0  # standard errors behind the leader at which a candidate may be dropped


class CandidateComparison:
    """Running comparison of candidates on paired out-of-sample losses.

    Args:
        names: Candidates, simplest first.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        size = len(self.names)
        self.n_rows = 0.0
        self.loss: FloatArray = np.zeros(size)
        self.difference: FloatArray = np.zeros((size, size))  # sum of losses of a minus losses of b
        self.squares: FloatArray = np.zeros((size, size))  # sum over groups of their squared difference

    def judge(self, losses: Mapping[str, FloatArray], weight: FloatArray, group: IntArray) -> None:
        """Add one panel's losses.

        Args:
            losses: Per candidate the loss of each row, shape (n,).
            weight: The weight of each row, shape (n,).
            group: Group of each row as a code, shape (n,); errors within a group are correlated.
        """
        table = np.stack([losses[name] * weight for name in self.names])
        by_group = np.stack([np.bincount(group, weights=row) for row in table])
        paired = by_group[:, None, :] - by_group[None, :, :]
        self.n_rows = FADE * self.n_rows + float(weight.sum())
        self.loss = FADE * self.loss + table.sum(axis=1)
        self.difference = FADE * self.difference + paired.sum(axis=2)
        self.squares = FADE**2 * self.squares + (paired**2).sum(axis=2)

    @property
    def leader(self) -> str:
        """The candidate that ships."""
        best = 0
        for challenger in range(1, len(self.names)):
            if self.difference[challenger, best] < -CLEAR * np.sqrt(self.squares[challenger, best]):
                best = challenger
        return self.names[best]

    def hopeless(self, name: str) -> bool:
        """Whether a candidate is so far behind that it is no longer worth its cost."""
        k, best = self.names.index(name), self.names.index(self.leader)
        return bool(self.difference[k, best] > HOPELESS * np.sqrt(self.squares[k, best]))

    def retire(self, name: str) -> dict[str, Any]:
        """Drop a candidate from the comparison, and return its last standing."""
        last = next(entry for entry in self.standing() if entry["candidate"] == name)
        keep = [k for k, other in enumerate(self.names) if other != name]
        self.names = tuple(self.names[k] for k in keep)
        self.loss = self.loss[keep]
        self.difference = self.difference[np.ix_(keep, keep)]
        self.squares = self.squares[np.ix_(keep, keep)]
        return last

    def standing(self) -> list[dict[str, Any]]:
        """Return each candidate's mean loss, and its difference from the leader with a standard error."""
        best, n_rows = self.names.index(self.leader), max(self.n_rows, 1e-12)
        return [
            {
                "candidate": name,
                "loss": float(self.loss[k] / n_rows),
                "behind_leader": float(self.difference[k, best] / n_rows),
                "standard_error": float(np.sqrt(self.squares[k, best]) / n_rows),
            }
            for k, name in enumerate(self.names)
        ]

    def dump(self) -> dict[str, Any]:
        """Write the running sums as plain JSON values."""
        return {
            "names": list(self.names),
            "n_rows": self.n_rows,
            "loss": self.loss.tolist(),
            "difference": self.difference.tolist(),
            "squares": self.squares.tolist(),
        }

    @classmethod
    def restore(cls, state: Mapping[str, Any]) -> Self:
        """Restore what `dump` wrote."""
        comparison = cls(state["names"])
        comparison.n_rows = float(state["n_rows"])
        comparison.loss = np.array(state["loss"])
        comparison.difference = np.array(state["difference"])
        comparison.squares = np.array(state["squares"])
        return comparison
