"""Leaf values that keep learning: the trees keep their splits, and each leaf averages over every panel it has seen.

LightGBM's own `refit` weighs old and new by one fixed share and knows no offset, so a leaf seen by a thousand rows
moves as far as one seen by ten. Here each leaf carries the evidence (sum of second derivatives) behind its value, and
new rows count by theirs; old evidence fades by a constant factor, because the preceding trees have changed meanwhile.
"""

import numpy as np

from core.arrays import FloatArray, IntArray
from core.models.learners.learner import LearningTask
from core.models.persistence.tree_text import TreeShape


def gradients(task: LearningTask, target: FloatArray, score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """First and second derivative of the loss with respect to the score: half squares, or log loss on log odds."""
    if task == "regression":
        return score - target, np.ones_like(score)
    probability = 1.0 / (1.0 + np.exp(-score))
    return probability - target, np.maximum(probability * (1.0 - probability), 1e-6)


def relearn(
    *,
    task: LearningTask,
    leaf_of_row: IntArray,
    shapes: list[TreeShape],
    values: list[FloatArray],
    evidence: list[FloatArray],
    target: FloatArray,
    weight: FloatArray,
    score: FloatArray,
    rates: FloatArray,
    keep: float,
    rising: IntArray,
) -> None:
    """Average the value of each leaf of each tree, in order, with the evidence of new rows.

    Args:
        task: Determines the loss.
        leaf_of_row: Leaf of each row in each tree, shape (n_trees, n).
        shapes: The trees' splits.
        values: Leaf values, one array per tree; changed in place.
        evidence: Sum of second derivatives behind each value, same shapes; changed in place.
        target: Shape (n,).
        weight: Shape (n,).
        score: Offset before the first tree, shape (n,); on return the score after the last tree.
        rates: Shrinkage of each tree's answer, shape (n_trees,).
        keep: Share of old evidence that still counts, 0 to 1.
        rising: Per feature 1 where the prediction may only rise.
    """
    for tree, leaves in enumerate(leaf_of_row):
        gradient, hessian = gradients(task, target, score)
        n_leaves = len(values[tree])
        pull = np.bincount(leaves, weights=weight * gradient, minlength=n_leaves)
        fresh = np.bincount(leaves, weights=weight * hessian, minlength=n_leaves)
        old = keep * evidence[tree]
        # Both are Newton steps from the score before this tree; weighted by curvature, their mean is the joint step.
        values[tree][:] = (old * values[tree] - rates[tree] * pull) / np.maximum(old + fresh, 1e-12)
        evidence[tree][:] = old + fresh
        hold_monotone(shapes[tree], values[tree], rising)
        score += values[tree][leaves]


def hold_monotone(shape: TreeShape, values: FloatArray, rising: IntArray) -> None:
    """Adjust leaf values in place where a split on a rising feature would let the prediction fall.

    From the root down, wherever a leaf on the low side exceeds a leaf on the high side, both are clipped at the middle.
    A clip further down moves values inside one side only, so the earlier clips stay valid.
    """
    for node in np.flatnonzero(rising[shape.feature]) if len(shape.feature) else ():
        low, high = shape.leaves_under(int(shape.left[node])), shape.leaves_under(int(shape.right[node]))
        top, bottom = float(values[low].max()), float(values[high].min())
        if top > bottom:
            middle = (top + bottom) / 2
            values[low] = np.minimum(values[low], middle)
            values[high] = np.maximum(values[high], middle)
