"""LightGBM's trees on rows that the workers of a cluster hold."""

import logging
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from core.arrays import BoolArray, FloatArray, IntArray
from core.domains.table.parted.columns import sent_rows
from core.domains.table.parted.scores import ScoredPart
from core.domains.table.parted.share import n_rows_of, read_share, shares_of
from core.executors.dask_cluster import DaskExecutor
from core.executors.packing import PlainValue, packed
from core.executors.placed import PlacedClient
from core.executors.work import Work
from core.models.learners.lightgbm_library import load_lightgbm
from core.models.learners.lightgbm_trees import PATIENCE, LightGbmLearner, settled_size
from core.models.learners.samples import JudgingFold, folds_apart, judges_later
from core.models.learners.tree_shapes import Shape, most_trees, shapes_for

_IN_MEMORY = {
    "tree_learner": "serial",
    "num_machines": "1",
    "local_listen_port": "12400",
    "time_out": "120",
    "machines": "",
}
"""What LightGBM's text says of a training in memory: where its rows were is no part of a model."""
_quiet = logging.getLogger("lightgbm")
_quiet.setLevel(logging.ERROR)
_PLACES = re.compile(rf"\[({'|'.join(_IN_MEMORY)}): [^\]\n]*\]")


class PartedTrees:
    """The parts of a table, and the cluster that reads, fits and scores them.

    Args:
        cluster: The executor.
        told: What a worker must know to read a part: the rules, the columns of the roles, the signature.
        parts: The parts in order, as workers are told of them.
        n_rows: Of each part.
    """

    def __init__(
        self, cluster: DaskExecutor, told: Mapping[str, Any], parts: Sequence[PlainValue], n_rows: Sequence[int]
    ) -> None:
        self._cluster = cluster
        self._told = dict(told)
        self._parts = parts
        self._ends = np.cumsum(n_rows)

    def tune(
        self, learner: LightGbmLearner, folds: Sequence[JudgingFold], *, scale: tuple[float, float], seed: int
    ) -> list[FloatArray]:
        """Settle the number of trees and their size, as `LightGbmLearner.tune` does.

        Workers that grow trees together cannot stop at the same tree by what each sees of the rows that judge. So all
        trees are grown, and where they would have stopped is found afterwards.
        """
        n_learned = int(np.mean([len(fold.learn) for fold in folds]))
        in_time = judges_later(folds)
        size = n_learned, len(learner.columns.tree_columns), learner.parameters
        shapes = shapes_for(*size, n_classes=learner.n_classes, in_time=in_time)
        most = most_trees(*size, n_classes=learner.n_classes)
        texts = [
            [self.grow(learner, shape, fold.learn, most, scale=scale, seed=seed) for fold in folds] for shape in shapes
        ]
        curves = [
            [self._curve(text, fold.judge, most, scale) for text, fold in zip(found, folds, strict=True)]
            for found in texts
        ]
        best, n_trees = settled_size(curves, in_time=in_time)
        learner.tuned = {"n_trees": n_trees, "settled_on": n_learned, **shapes[best]._asdict()}
        learner.keep(_first_trees(texts[best][0], n_trees))
        answers = []
        for k, fold in enumerate(folds):
            others = folds_apart(folds, fold)
            own, n_own = settled_size([[of_shape[other] for other in others] for of_shape in curves], in_time=in_time)
            answers.append(learner.answered(self.answers(texts[own][k], fold.judge, n_own)))
        return answers

    def fit(self, learner: LightGbmLearner, rows: IntArray, *, scale: tuple[float, float], seed: int) -> None:
        """Grow the trees of a settled size on some rows."""
        text = self.grow(learner, learner.settled_shape, rows, learner.n_trees(len(rows)), scale=scale, seed=seed)
        learner.keep(text)

    def grow(
        self,
        learner: LightGbmLearner,
        shape: Shape,
        rows: IntArray,
        n_trees: int,
        *,
        scale: tuple[float, float],
        seed: int,
    ) -> str:
        """Grow trees across the workers; return their text."""
        shared = packed({**self._told, "scale": scale})
        tasks = self._tasks(rows)
        names = list(learner.columns.tree_columns)
        parameters = {**learner.trees.training(seed), **shape.parameters(len(rows)), **learner.objective()}
        categories = learner.columns.category_positions

        def fitted(workers: PlacedClient) -> str:
            shares = shares_of(tasks, len(workers.workers))
            return _fitted(workers, shares, shared, names, parameters, categories, n_trees)

        text = self._cluster.together(f"the fit of {n_trees} trees on {len(rows):,} rows", fitted)
        return _PLACES.sub(lambda found: f"[{found[1]}: {_IN_MEMORY[found[1]]}]", text)

    def answers(self, text: str, rows: IntArray, n_trees: int) -> FloatArray:
        """Answer rows, on the scale that is learned."""
        shared = {**self._told, "scale": (0.0, 1.0), "trees": text, "n_trees": n_trees}
        return np.concatenate(self._scored(shared, rows, curve=False))

    def _curve(self, text: str, rows: IntArray, n_trees: int, scale: tuple[float, float]) -> list[float]:
        shared = {**self._told, "scale": scale, "trees": text, "n_trees": n_trees}
        sums = np.sum(self._scored(shared, rows, curve=True), axis=0)
        return _stopped((sums / len(rows)).tolist())

    def _scored(self, shared: PlainValue, rows: IntArray, *, curve: bool) -> list[FloatArray]:
        work: Work[PlainValue, FloatArray] = Work(
            title="parts of the table to score",
            here=lambda task: ScoredPart(shared).do(task),
            there=ScoredPart,
            shared=lambda: shared,
            sent=lambda task: {**task, "curve": curve},
        )
        return self._cluster.map(work, self._tasks(rows))

    def _tasks(self, rows: IntArray) -> list[PlainValue]:
        """Return the parts that hold some of the rows, each with its own."""
        mask = np.zeros(self._ends[-1], dtype=np.bool_)
        mask[rows] = True
        by_part: list[BoolArray] = np.split(mask, self._ends[:-1])
        return [{**task, "rows": sent_rows(own)} for task, own in zip(self._parts, by_part, strict=True) if own.any()]


def _fitted(
    workers: PlacedClient,
    shares: Sequence[Sequence[Mapping[str, Any]]],
    shared: bytes,
    names: list[str],
    parameters: Mapping[str, Any],
    categories: list[int],
    n_trees: int,
) -> str:
    import dask.array as da
    from distributed import wait

    # Of a classifier, LightGBM numbers the classes that each worker holds: a worker that holds only the second would
    # learn it as the first. A regressor takes the numbers as they are, and the objective of classes all the same.
    lightgbm = load_lightgbm()
    lightgbm.register_logger(_quiet)  # it tells of ports that it looks for, and of parameters that it sets itself
    estimator = lightgbm.DaskLGBMRegressor(client=workers, n_estimators=n_trees, **_renamed(parameters))
    read = workers.place(read_share, [packed(share) for share in shares], shared)
    wait(read)
    for future in read:
        if future.status == "error":
            raise future.exception()
    n_rows = [n_rows_of(share) for share in shares]

    def array(at: int, *others: int) -> Any:
        blocks = zip(workers.place(operator.itemgetter(at), read), n_rows, strict=True)
        return da.concatenate([da.from_delayed(block, (n, *others), dtype=np.float64) for block, n in blocks])

    estimator.fit(array(0, len(names)), array(1), feature_name=names, categorical_feature=categories)
    return str(estimator.booster_.model_to_string())


_OF_THE_ESTIMATOR = {
    "min_data_in_leaf": "min_child_samples",
    "bagging_fraction": "subsample",
    "bagging_freq": "subsample_freq",
    "feature_fraction": "colsample_bytree",
    "lambda_l2": "reg_lambda",
    "seed": "random_state",
}


def _renamed(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Name parameters as the estimator does; the number of threads is the worker's."""
    return {_OF_THE_ESTIMATOR.get(name, name): value for name, value in parameters.items() if name != "num_threads"}


def _stopped(curve: list[float]) -> list[float]:
    """End a curve where a training in memory stops: so many trees after the least loss."""
    best = 0
    for at, loss in enumerate(curve):
        best = at if loss < curve[best] else best
        if at - best >= PATIENCE:
            return curve[: at + 1]
    return curve


def _first_trees(text: str, n_trees: int) -> str:
    booster = load_lightgbm().Booster(model_str=text)
    return str(booster.model_to_string(num_iteration=n_trees))
