"""The part of LightGBM's text format that we read: the splits and leaf values of trees, and adding trees to trees."""

import re
from dataclasses import dataclass

import numpy as np

from core.arrays import FloatArray, IntArray

_TREE = re.compile(r"^Tree=\d+\n", flags=re.MULTILINE)
_END = "end of trees"

# LightGBM reads an entry up to the next `=`, over the ends of lines, and takes `0_1` for 0 where Python takes it for 1.
_BLOCK = re.compile(r"(?:[a-z_]+=[^\n]*\n){1,22}\n*")
_WHOLE = re.compile(r"-?[0-9]{1,10}(?: -?[0-9]{1,10})*")
_DECIMAL = re.compile(r"(?:-?[0-9.]+(?:e[-+]?[0-9]+)?(?: |$))+")
_OF_SPLITS = frozenset(("split_feature", "left_child", "right_child", "decision_type"))
_OF_LEAVES = frozenset(("leaf_value",))


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


class UnsupportedTreesError(ValueError):
    """The text is sound, but its trees are of a kind that we do not check."""


def checked_text(text: str, *, n_features: int, n_scores: int = 1) -> str:
    """Check a text before LightGBM reads it, since LightGBM would follow it anywhere in memory, or for ever.

    Args:
        text: Written by `Booster.save_model`, or said to be.
        n_features: The number of columns that the trees read.
        n_scores: How many numbers they answer a row.
    Returns:
        The same trees, without the sizes by which LightGBM would jump from one tree to the next.
    Raises:
        UnsupportedTreesError: The trees have linear leaves, which we do not check.
        ValueError, KeyError: The text is damaged.
    """
    head, trees = _parts(text)
    for number, tree in enumerate(trees, start=1):
        try:
            _check_tree(tree, n_features)
        except ValueError as error:
            kind = UnsupportedTreesError if isinstance(error, UnsupportedTreesError) else ValueError
            raise kind(f"tree {number} {error}") from error
        if not _has_sound_categories(_fields(tree)):
            raise ValueError(f"the categories of tree {number} are inconsistent")
    _check_head(head, n_features, n_scores)
    if len(trees) % n_scores:
        raise ValueError(f"it has {len(trees)} trees for {n_scores} numbers a row")
    return re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE)


def _parts(text: str) -> tuple[str, list[str]]:
    """Divide a text as LightGBM does: it looks at the beginnings of lines, and at nothing after the last tree."""
    end = text.find(f"\n{_END}\n") + 1
    body, found = text[:end], _TREE.search(text, 0, end)
    head = body[: found.start()] if found else body
    if not end or "\r" in body or "\0" in text or _END in body or re.search(r"^Tree=", head, flags=re.MULTILINE):
        raise ValueError("it is not a text of trees")
    return head, _TREE.split(body[len(head) :])[1:]


def _check_head(head: str, n_features: int, n_scores: int) -> None:
    told = [line.partition("=")[::2] for line in head.splitlines() if "=" in line]
    fields = dict(told)
    if len(fields) < len(told):
        raise ValueError("its head has a repeated entry")
    n_columns = {int(fields["max_feature_idx"]) + 1, *(len(fields[f"feature_{k}"].split()) for k in ("names", "infos"))}
    if n_columns != {n_features}:
        raise ValueError(f"its trees do not read {n_features} columns")
    told_scores = {int(fields["num_class"]), int(fields["num_tree_per_iteration"])}
    told_scores |= {int(found) for found in re.findall(r"\bnum_class:(-?\d+)", fields.get("objective", ""))}
    if told_scores != {n_scores}:
        raise ValueError(f"its trees do not answer {n_scores} numbers a row")


def _check_tree(tree: str, n_features: int) -> None:
    if _BLOCK.fullmatch(tree) is None:
        raise ValueError("has a line that is no entry")
    fields = _fields(tree)
    if fields.get("is_linear", "0") != "0":
        raise UnsupportedTreesError("has linear leaves; train without linear_tree")
    if len(fields) != tree.count("="):  # two readers may read a repeated entry differently
        raise ValueError("has a repeated entry")
    n_leaves = int(fields["num_leaves"])
    if n_leaves != len(fields["leaf_value"].split()):  # LightGBM takes memory for what it says
        raise ValueError("has another number of leaves than it says")
    for names, form, n_entries in ((_OF_SPLITS, _WHOLE, n_leaves - 1), (_OF_LEAVES, _DECIMAL, n_leaves)):
        for name in names & fields.keys():
            n_found = 1 + fields[name].count(" ") if fields[name] else 0
            if n_found != n_entries or (n_found and form.fullmatch(fields[name]) is None):
                raise ValueError(f"has a damaged {name}")
    shape = TreeShape(*(_integers(fields, key) for key in ("split_feature", "left_child", "right_child")))
    leaves = np.array(fields["leaf_value"].split(), dtype=np.float64)
    if not np.isfinite(leaves).all():
        raise ValueError("has a leaf whose value is not a number")
    if not shape.is_sound(n_leaves, n_features):
        raise ValueError("is inconsistent")


def _has_sound_categories(fields: dict[str, str]) -> bool:
    if any(fields.get(name) and not _WHOLE.fullmatch(fields[name]) for name in ("cat_boundaries", "cat_threshold")):
        return False
    bounds, chosen = _integers(fields, "cat_boundaries"), np.array(fields.get("threshold", "").split(), np.float64)
    by_category = chosen[(_integers(fields, "decision_type") & 1).astype(np.bool_)]
    n_sets, n_words = int(fields["num_cat"]), len(_integers(fields, "cat_threshold"))
    sound = len(bounds) == n_sets + 1 and bounds[0] == 0 and bounds[-1] == n_words if n_sets else n_words == 0
    return bool(sound and (np.diff(bounds) >= 0).all() and ((by_category >= 0) & (by_category < n_sets)).all())


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
