"""Scikit-learn estimators as skops files: no pickle, an explicit list of trusted types, and reproducible bytes.

skops names its members by memory addresses and stamps them with the time of day, so two dumps of one estimator
differ. `dump_estimator` numbers them in order of appearance and writes a plain archive without times.
"""

import io
import json
import re
import zipfile
from collections.abc import Mapping
from itertools import count
from typing import Any

import numpy as np

from core.models.errors import ArtifactError
from core.models.persistence.archive import array_in, write_archive
from core.models.persistence.tree_structure import check_estimator

TRUSTED_TYPES = (
    "sklearn._loss.link.IdentityLink",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn._loss.loss.HalfSquaredError",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
)
ESTIMATORS = (
    "GradientBoostingClassifier",
    "GradientBoostingRegressor",
    "HistGradientBoostingClassifier",
    "HistGradientBoostingRegressor",
    "IsolationForest",
    "RandomForestClassifier",
    "RandomForestRegressor",
)


def dump_estimator(estimator: Any) -> bytes:
    """Write a fitted estimator; the same estimator always gives the same bytes."""
    import skops.io

    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    numbers = count(1)
    names: dict[bytes, str] = {}

    def settle(node: Any) -> Any:
        if isinstance(node, list):
            return [settle(child) for child in node]
        if not isinstance(node, dict):
            return node
        out = {key: settle(child) for key, child in node.items()}
        if "__id__" in out:
            # A fitted estimator and a loaded estimator share memory between different parts; neither needs to.
            out["__id__"] = next(numbers)
        if "file" in out:
            content = _without_padding(members[out["file"]])
            out["file"] = names.setdefault(content, f"{len(names) + 1}.npy")
        return out

    schema = json.dumps(settle(json.loads(members["schema.json"])), separators=(",", ":")).encode()
    return write_archive({"schema.json": schema, **{name: content for content, name in names.items()}})


def load_estimator(blob: bytes, *, expected: str, n_features: int) -> Any:
    """Read an estimator written by `dump_estimator`.

    Args:
        blob: The file's bytes; a caller who keeps none of its own spares that memory.
        expected: Class name the estimator must have.
        n_features: The number of columns that it is given.
    Raises:
        ArtifactError: The file is damaged, or contains an untrusted type, an unexpected estimator or a tree that no
            walk must enter.
    """
    from skops.io._audit import get_tree
    from skops.io._numpy import NdArrayNode
    from skops.io._utils import LoadContext

    try:
        with zipfile.ZipFile(io.BytesIO(blob)) as archive:
            schema = json.loads(archive.read("schema.json"))
            context = LoadContext(src=archive, protocol=schema["protocol"])
            parts = get_tree(schema, context, trusted=list(TRUSTED_TYPES))
        del blob  # the parts have their own copies; a model of half a gigabyte is in memory once more from here on
        if untrusted := sorted(parts.get_unsafe_set() - set(TRUSTED_TYPES)):
            raise ArtifactError(f"the estimator file contains types we do not load: {', '.join(untrusted)}")
        _check_root(schema, expected)
        for part in context.memo.values():
            if isinstance(part, NdArrayNode) and part.type == "numpy" and part.class_name == "ndarray":
                part._constructed = array_in(part.children["content"], "an array of the estimator")
        estimator = parts.construct()
        check_estimator(estimator, n_features=n_features)
        return estimator
    except ArtifactError:
        raise
    except Exception as error:  # skops passes on any error of its readers on damaged input
        raise ArtifactError(f"the estimator file is damaged: {error}") from error


def _check_root(root: Mapping[str, Any], expected: str) -> None:
    kind, module = root.get("__class__"), str(root.get("__module__"))
    if kind != expected or kind not in ESTIMATORS or not re.match(r"sklearn\.ensemble\b", module):
        raise ArtifactError(f"the estimator file contains a {module}.{kind}, not a {expected}")


def _without_padding(member: bytes) -> bytes:
    """Zero the unused bytes between the fields of a structured array; they contain leftovers of memory."""
    if not member.startswith(b"\x93NUMPY"):
        return member
    array = np.load(io.BytesIO(member), allow_pickle=False)
    if array.dtype.names is None:
        return member
    clean = np.zeros(array.shape, array.dtype)
    for field in array.dtype.names:
        clean[field] = array[field]
    # Not through np.save, which copies through buffers and so fills the padding with garbage again.
    return bytes(member[: len(member) - clean.nbytes] + clean.tobytes())
