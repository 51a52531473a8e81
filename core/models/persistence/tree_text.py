"""The part of LightGBM's text format that we read: the splits and leaf values of trees, and adding trees to trees."""

import re
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray

_TREE = re.compile(r"^Tree=\d+\n", flags=re.MULTILINE)
_END = "end of trees"


@dataclass(frozen=True, slots=True)
class TreeShape:
    """The splits of one tree: children below zero are leaves, as `~leaf`, as LightGBM writes them."""

    feature: IntArray
    left: IntArray
    right: IntArray

    def is_sound(self, n_leaves: int, n_features: int) -> bool:
        """Whether every node but the root, and every leaf, is the child of exactly one split on an existing column."""
        n_nodes = len(self.feature)
        children = sorted([*self.left.tolist(), *self.right.tolist()])
        expected = [*range(-n_leaves, 0), *range(1, n_nodes)] if n_nodes else []
        in_range = bool(((self.feature >= 0) & (self.feature < n_features)).all())
        return in_range and n_leaves == n_nodes + 1 and children == expected

    def leaves_under(self, child: int) -> list[int]:
        """List the leaves below a child."""
        if child < 0:
            return [~child]
        return self.leaves_under(int(self.left[child])) + self.leaves_under(int(self.right[child]))


def read_trees(text: str, *, n_features: int) -> tuple[list[TreeShape], list[FloatArray]]:
    """Read splits and leaf values of every tree.

    Returns:
        Shapes and leaf values, one entry per tree, in order.
    Raises:
        ValueError: A tree is inconsistent: each node and leaf must belong to exactly one split.
    """
    shapes, values = [], []
    for tree in _trees(text):
        fields = _fields(tree)
        shape = TreeShape(*(_integers(fields, key) for key in ("split_feature", "left_child", "right_child")))
        shapes.append(shape)
        values.append(np.array(fields["leaf_value"].split(), dtype=np.float64))
        if not shape.is_sound(len(values[-1]), n_features):
            raise ValueError(f"tree {len(shapes)} is inconsistent")
    return shapes, values


def checked_text(text: str, *, n_features: int) -> str:
    """Check a foreign text before LightGBM reads it, since LightGBM would follow it anywhere in memory.

    Returns:
        The same trees, without the sizes by which LightGBM would jump from one tree to the next.
    Raises:
        ValueError, KeyError: A tree is inconsistent, or has linear leaves, which we do not check.
    """
    read_trees(text, n_features=n_features)
    for number, tree in enumerate(_trees(text), start=1):
        fields = _fields(tree)
        if fields.get("is_linear", "0") != "0":
            raise ValueError(f"tree {number} has linear leaves")
        if len(fields) != tree.count("=") or "Tree" in fields:  # two readers may read a repeated entry differently
            raise ValueError(f"tree {number} has a repeated entry")
        if int(fields["num_leaves"]) != len(fields["leaf_value"].split()):  # LightGBM takes memory for what it says
            raise ValueError(f"tree {number} has another number of leaves than it says")
        bounds, chosen = _integers(fields, "cat_boundaries"), np.array(fields.get("threshold", "").split(), np.float64)
        by_category = chosen[(_integers(fields, "decision_type") & 1).astype(np.bool_)]
        n_sets, n_words = int(fields["num_cat"]), len(_integers(fields, "cat_threshold"))
        sound = len(bounds) == n_sets + 1 and bounds[0] == 0 and bounds[-1] == n_words if n_sets else n_words == 0
        if not sound or (np.diff(bounds) < 0).any() or not ((by_category >= 0) & (by_category < n_sets)).all():
            raise ValueError(f"the categories of tree {number} are inconsistent")
    return re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)


def append_trees(text: str, more: str) -> str:
    """Write one model whose score is the sum of two, both with the same columns.

    LightGBM itself can only continue from a model's own score, which does not include an offset below the trees.
    """
    head = _TREE.split(more, maxsplit=1)[0]
    # Without sizes the reader finds each tree by its heading; the writer restores them.
    head = re.sub(r"^tree_sizes=.*\n", "", head, flags=re.MULTILINE)
    trees = [*_trees(text), *_trees(more)]
    blocks = [f"Tree={number}\n{tree.rstrip()}\n\n\n" for number, tree in enumerate(trees)]
    return f"{head}{''.join(blocks)}{_END}\n{more.split(_END, 1)[1]}"


def _trees(text: str) -> list[str]:
    return _TREE.split(text.split(_END, 1)[0])[1:]


def _fields(tree: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in tree.splitlines() if "=" in line)


def _integers(fields: dict[str, str], key: str) -> IntArray:
    return np.array(fields.get(key, "").split(), dtype=np.int64)
