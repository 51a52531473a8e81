"""A weighted mean of the answers of several learners; rows held out settle the weights."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from typing_extensions import override

from core.arrays import AnyArray, FloatArray
from core.models.learners.learner import Dumped, Files, FitOnceLearner, learn_on_together
from core.models.learners.samples import JudgingFold, Sample
from core.models.scores import row_losses

STEPS = 20  # the weights are whole multiples of a twentieth


class BlendLearner(FitOnceLearner):
    """The mean of other learners' answers.

    Attributes:
        parts: The learners by name; settled before the blend.
        weights: The weight of each, in the same order; they sum to 1.
    """

    name = "blend"
    parts: dict[str, FitOnceLearner]
    weights: tuple[float, ...]

    def of(self, parts: Mapping[str, FitOnceLearner]) -> "BlendLearner":
        """Set the parts, and return the blend."""
        self.parts = dict(parts)
        self.is_fast = all(part.is_fast for part in parts.values())
        return self

    def settle(
        self, answers: Mapping[str, Sequence[FloatArray]], rows: Sample, folds: Sequence[JudgingFold]
    ) -> list[FloatArray]:
        """Settle the weights on the parts' answers to rows held out.

        Args:
            answers: By part, for each fold its answers to the judged rows.
            rows: The rows that the folds select from.
            folds: The folds.
        Returns:
            The blend's answers to the judged rows of each fold, with the weights that the other rows settle.
        Source:
            Breiman, Stacked regressions, Machine Learning 24 (1996): weights that are not negative.
        """
        target = np.concatenate([rows.target[fold.judge] for fold in folds])
        stacked = [np.concatenate(answers[name]) for name in self.parts]
        grid = list(_grid(len(self.parts)))
        by_row = np.array([row_losses(target, _mean(weights, stacked)) for weights in grid], dtype=np.float32)
        self.weights = grid[int(np.argmin(by_row.mean(axis=1, dtype=np.float64)))]
        self._tell()
        positions = np.concatenate([fold.judge for fold in folds])
        blended = []
        for fold, *found in zip(folds, *(answers[name] for name in self.parts), strict=True):
            is_other = ~np.isin(positions, fold.judge)
            others = by_row[:, is_other] if is_other.any() else by_row
            blended.append(_mean(grid[int(np.argmin(others.mean(axis=1, dtype=np.float64)))], found))
        return blended

    @override
    def learn(self, sample: Sample, *, seed: int) -> None:
        for part in self.parts.values():
            part.learn(sample, seed=seed)

    @override
    def why_not_continued(self) -> str | None:
        return next(filter(None, (part.why_not_continued() for part in self.parts.values())), None)

    @override
    def learn_on(self, rows: Sample, *, seed: int) -> None:
        """Let each part learn on; their weights stay."""
        learn_on_together(self.name, self.parts.values(), rows, seed=seed)
        self._tell()

    @override
    def answer(self, matrix: AnyArray) -> FloatArray:
        return _mean(self.weights, [part.answer(matrix) for part in self.parts.values()])

    @property
    @override
    def row_booster(self) -> Any:
        found = [part.row_booster for part in self.parts.values()]
        return next((booster for booster in found if booster is not None), None)

    @override
    def complete(self, row: AnyArray, answer: float) -> float:
        matrix, total, is_answered = row[None, :], 0.0, False
        for weight, part in zip(self.weights, self.parts.values(), strict=True):
            if part.row_booster is not None and not is_answered:
                own, is_answered = answer, True
            else:
                own = float(part.answer(matrix).flat[-1])  # of two classes the second
            total += weight * own
        return total

    @override
    def shares(self) -> FloatArray | None:
        found = [part.shares() for part in self.parts.values()]
        known = [shares / (float(shares.sum()) or 1.0) for shares in found if shares is not None]
        return np.asarray(np.sum(known, axis=0)) if len(known) == len(found) else None

    @override
    def dump(self) -> Dumped:
        # As a list, because an order is part of the sum's last digits, and JSON's objects have none.
        state: dict[str, Any] = {"weights": list(self.weights), "parts": []}
        arrays: dict[str, AnyArray] = {}
        files: Files = {}
        for name, part in self.parts.items():
            tuned, own, more = part.dump()
            state["parts"].append([name, tuned])
            arrays |= {f"{name}.{key}": array for key, array in own.items()}
            files |= more
        return state, arrays, files

    @override
    def restore(self, state: Mapping[str, Any], arrays: Mapping[str, AnyArray], files: Files) -> None:
        from core.models.learners.algorithms import fit_once

        space, task = self.columns, self.task
        tuned = {str(name): own for name, own in state["parts"]}
        kinds = {name: fit_once(name) for name in tuned if name != self.name}
        more = {"n_classes": self.n_classes}
        self.of({name: kind(space, task, self.given, **more) for name, kind in kinds.items()})
        self.weights = tuple(float(weight) for weight in state["weights"])
        if len(self.weights) != len(self.parts) or not self.parts:
            raise ValueError("the blend has other weights than parts")
        for name, part in self.parts.items():
            own = {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}
            part.restore(tuned[name], own, files)
        self._tell()

    def _tell(self) -> None:
        self.tuned = {
            f"{name}.{key}": value
            for name, weight, part in zip(self.parts, self.weights, self.parts.values(), strict=True)
            for key, value in {"weight": weight, **part.tuned}.items()
        }


def _grid(n_parts: int) -> Iterable[tuple[float, ...]]:
    """List the weights to try, the first part's largest first."""
    for counts in product(range(STEPS, -1, -1), repeat=n_parts - 1):
        if (rest := STEPS - sum(counts)) >= 0:
            yield tuple(count / STEPS for count in (*counts, rest))


def _mean(weights: Sequence[float], answers: Sequence[FloatArray]) -> FloatArray:
    total = weights[0] * answers[0]
    for weight, answer in zip(weights[1:], answers[1:], strict=True):
        total = total + weight * answer
    return np.asarray(total)
