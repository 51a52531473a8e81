"""A version's model as TensorFlow's SavedModel: the graph of its ONNX file, operator by operator, in doubles.

The graph has no variables, only constants. It is written as one of `tf.compat.v1`, whose signature may name its inputs
as the columns are named, and whose bytes are the same each time.

Source:
    TensorFlow, `tensorflow/core/protobuf/meta_graph.proto` (`SignatureDef`) and `saved_model.proto`; the operators of
    ONNX, https://onnx.ai/onnx/operators, `TreeEnsemble` of `ai.onnx.ml` 5.
"""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from core.arrays import AnyArray
from core.errors import UsageError
from core.files import make_folder, write_file
from core.interop.kserve_layout import MODELS
from core.interop.onnx_model import PREDICTION, OnnxModel
from core.interop.onnx_parity import AnsweredFeeds
from core.plain_files import read_file
from core.tf_versions import number_of

SERVER_FILE: Final = "models.config"
_FILE: Final = "saved_model.pb"
_TAG, _SIGNATURE, _METHOD = "serve", "serving_default", "tensorflow/serving/predict"
_SINGLE, _WHOLE, _DOUBLE = 1, 7, 11  # TensorProto.DataType: FLOAT, INT64, DOUBLE


class SavedModel(msgspec.Struct, frozen=True, kw_only=True):
    """A SavedModel.

    Attributes:
        content: Its file `saved_model.pb`.
        notes: The metadata of the ONNX file.
    """

    content: bytes
    notes: dict[str, str]

    @property
    def answers(self) -> AnsweredFeeds:
        """Answers rows from the file, as a server would."""
        tf = _tensorflow().compat.v1
        with tempfile.TemporaryDirectory() as place:
            write_file(Path(place) / _FILE, self.content, durable=False)
            session = tf.Session(graph=tf.Graph())
            signature = tf.saved_model.loader.load(session, [_TAG], place).signature_def[_SIGNATURE]
        output = signature.outputs[PREDICTION].name
        inputs = {name: told.name for name, told in signature.inputs.items()}

        def answered(feeds: Mapping[str, AnyArray]) -> AnyArray:
            values = {name: feeds[key] for key, name in inputs.items()}
            return np.asarray(session.run(output, values))

        return answered


def require_tensorflow() -> None:
    """Make sure that the extra is installed.

    Raises:
        UsageError: It is not.
    """
    try:
        _tensorflow()
    except ImportError:
        raise UsageError("tensorflow is not installed: pip install 'bondx-console[saved-model]'.") from None


def saved_model_of(onnx: OnnxModel) -> SavedModel:
    """Write a model in ONNX as a SavedModel."""
    import onnx as formats

    tf = _tensorflow().compat.v1
    model = formats.load_model_from_string(onnx.content)
    with tempfile.TemporaryDirectory() as place, tf.Graph().as_default(), tf.Session() as session:
        translation = _Translation(_tensorflow())
        inputs, output = translation.of(model.graph, [(each.name, each.is_text) for each in onnx.inputs])
        told = tf.saved_model.utils.build_tensor_info
        signature = tf.saved_model.build_signature_def(
            inputs={name: told(tensor) for name, tensor in inputs.items()},
            outputs={PREDICTION: told(output)},
            method_name=_METHOD,
        )
        builder = tf.saved_model.Builder(str(Path(place) / "model"))
        builder.add_meta_graph_and_variables(
            session, [_TAG], {_SIGNATURE: signature}, main_op=tf.group(*translation.tables, name="tables")
        )
        builder.save()
        content = read_file(Path(place) / "model" / _FILE)
    return SavedModel(content=content, notes={each.key: each.value for each in model.metadata_props})


def number_to_serve(version: str) -> int:
    """Return the number under which TensorFlow Serving serves a version, as `bondx serve` over gRPC.

    Raises:
        UsageError: It has none.
    """
    number = number_of(version)
    if number is None:
        raise UsageError(
            f"{version} has no number for TensorFlow Serving, whose versions are whole numbers: a part of it is above "
            "999,999. Export it as onnx or kserve."
        )
    return number


def write_repository(folder: Path, saved: SavedModel, *, model: str, version: str, labels: tuple[str, ...]) -> None:
    """Write the files of a version into a folder.

    Args:
        folder: An empty one.
        saved: The model.
        model: Its name.
        version: Its number.
        labels: By which callers choose it.
    """
    number = number_to_serve(version)
    own = folder / MODELS / model / str(number)
    make_folder(own / "assets.extra")
    write_file(own / _FILE, saved.content, durable=False)
    facts = msgspec.json.format(msgspec.json.encode(saved.notes, order="deterministic"), indent=2)
    write_file(own / "assets.extra" / "bondx.json", facts + b"\n", durable=False)
    write_file(folder / SERVER_FILE, server_config(model, number, labels).encode(), durable=False)


def server_config(model: str, number: int, labels: tuple[str, ...]) -> str:
    """Return TensorFlow Serving's list of what to serve, in the text form of `ModelServerConfig`.

    Its container finds models below `/models`, which is where ours have to be.
    """
    lines = [
        f"    name: {_quoted(model)}",
        f"    base_path: {_quoted(f'/{MODELS}/{model}')}",
        '    model_platform: "tensorflow"',
        f"    model_version_policy {{ specific {{ versions: {number} }} }}",
        *(f"    version_labels {{ key: {_quoted(label)} value: {number} }}" for label in labels),
    ]
    return "\n".join(["model_config_list {", "  config {", *lines, "  }", "}", ""])


class _Translation:
    """Turns the nodes of one graph of ONNX into operators of TensorFlow.

    Attributes:
        tables: What fills the tables of levels, once a server has loaded the graph.
    """

    def __init__(self, tf: Any) -> None:
        self._tf = tf
        self._operators = _operators(tf)
        self.tables: list[Any] = []

    def of(self, graph: Any, inputs: list[tuple[str, bool]]) -> tuple[dict[str, Any], Any]:
        """Return the inputs by name, and the answers."""
        from onnx import helper, numpy_helper

        tf = self._tf
        asked = {
            name: tf.compat.v1.placeholder(tf.string if is_text else tf.float64, [None], name=f"input_{number}")
            for number, (name, is_text) in enumerate(inputs)
        }
        values: dict[str, Any] = {each.name: numpy_helper.to_array(each) for each in graph.initializer} | asked
        for node in graph.node:
            operands = [values[name] for name in node.input]
            attributes = {each.name: helper.get_attribute_value(each) for each in node.attribute}
            if node.op_type == "LabelEncoder":
                values[node.output[0]] = self._looked_up(*operands, **attributes)
            elif node.op_type == "TreeEnsemble":
                values[node.output[0]] = _Trees(attributes).sums(tf, *operands)
            else:
                values[node.output[0]] = self._operators[node.op_type](*operands, **attributes)
        return asked, tf.identity(values[graph.output[0].name], name=PREDICTION)

    def _looked_up(self, texts: Any, *, keys_strings: list[bytes], values_tensor: Any, default_tensor: Any) -> Any:
        from onnx import numpy_helper

        raw = self._tf.raw_ops
        name = f"levels_{len(self.tables)}"
        table = raw.HashTableV2(key_dtype=self._tf.string, value_dtype=self._tf.float64, shared_name=name, name=name)
        numbers = numpy_helper.to_array(values_tensor)
        self.tables.append(raw.LookupTableImportV2(table_handle=table, keys=keys_strings, values=numbers))
        default = numpy_helper.to_array(default_tensor)[0]
        found = raw.LookupTableFindV2(table_handle=table, keys=texts, default_value=default)
        return self._tf.ensure_shape(found, [None])


class _Trees:
    """The operator `TreeEnsemble`: every row goes down every tree at once, a step at a time.

    Leaves follow the splits in one list of places, and lead to themselves.
    """

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        from onnx import numpy_helper

        self._n_targets = int(attributes["n_targets"])
        splits = numpy_helper.to_array(attributes["nodes_splits"])
        weights = numpy_helper.to_array(attributes["leaf_weights"])
        self._n_splits = len(splits)
        leaves = np.arange(self._n_splits, self._n_splits + len(weights))
        self._left, self._right = (
            np.concatenate([np.where(attributes[f"nodes_{side}leafs"], self._n_splits + below, below), leaves]).astype(
                np.int32
            )
            for side in ("true", "false")
            for below in [np.array(attributes[f"nodes_{side}nodeids"])]
        )
        none = np.zeros(len(weights))
        self._feature = np.concatenate([attributes["nodes_featureids"], none]).astype(np.int32)
        self._split = np.concatenate([splits, none])
        self._is_missing_left = np.concatenate([attributes["nodes_missing_value_tracks_true"], none]).astype(np.bool_)
        self._weight = np.concatenate([np.zeros(self._n_splits), weights])
        self._roots = np.array(attributes["tree_roots"], dtype=np.int32)
        self._target = np.array(attributes["leaf_targetids"])

    def sums(self, tf: Any, cells: Any) -> Any:
        """Return the sum of the leaves that each row reaches, by target: shape (n, targets)."""
        depth, targets = self._walked()
        node = tf.tile(self._roots[None], tf.stack([tf.shape(cells)[0], 1]))
        for _ in range(depth):
            value = tf.gather(cells, tf.gather(self._feature, node), axis=1, batch_dims=1)
            is_missing = tf.logical_and(tf.math.is_nan(value), tf.gather(self._is_missing_left, node))
            is_left = tf.logical_or(tf.less_equal(value, tf.gather(self._split, node)), is_missing)
            node = tf.where(is_left, tf.gather(self._left, node), tf.gather(self._right, node))
        owned = (targets[:, None] == np.arange(self._n_targets)[None]).astype(np.float64)
        return tf.matmul(tf.gather(self._weight, node), owned)

    def _walked(self) -> tuple[int, AnyArray]:
        """Return the steps from a root to the last leaf, and the target of each tree, which all of its leaves share."""
        depth, nodes = 0, self._roots
        while len(nodes := nodes[nodes < self._n_splits]):
            nodes = np.unique(np.concatenate([self._left[nodes], self._right[nodes]]))
            depth += 1
        first = self._roots
        for _ in range(depth):
            first = self._left[first]
        return depth, self._target[first - self._n_splits]


def _operators(tf: Any) -> dict[str, Callable[..., Any]]:
    """Return what stands for each operator that `core.interop.onnx_graph` writes."""
    kinds = {_SINGLE: tf.float32, _WHOLE: tf.int64, _DOUBLE: tf.float64}
    return {
        "Abs": tf.abs,
        "Add": tf.add,
        "And": tf.logical_and,
        "Cast": lambda values, *, to: tf.cast(values, kinds[to]),
        "Concat": lambda *blocks, axis: tf.concat(blocks, axis),
        "Div": tf.divide,
        "Equal": tf.equal,
        "Exp": tf.exp,
        "Expand": tf.broadcast_to,
        "Gather": lambda values, at, *, axis: tf.gather(values, at, axis=axis),
        "Greater": tf.greater,
        "GreaterOrEqual": tf.greater_equal,
        "Identity": tf.identity,
        "IsNaN": tf.math.is_nan,
        "Less": tf.less,
        "LessOrEqual": tf.less_equal,
        "Log": tf.math.log,
        "MatMul": tf.matmul,
        "Mul": tf.multiply,
        "Neg": tf.negative,
        "ReduceMean": lambda values, axes, *, keepdims: tf.reduce_mean(values, axes, keepdims=bool(keepdims)),
        "ReduceSum": lambda values, axes, *, keepdims: tf.reduce_sum(values, axes, keepdims=bool(keepdims)),
        "Shape": lambda values, *, start, end: tf.shape(values, out_type=tf.int64)[start:end],
        "Sigmoid": tf.sigmoid,
        "Sign": tf.sign,
        "Softmax": lambda values, *, axis: tf.nn.softmax(values, axis=axis),
        "Sqrt": tf.sqrt,
        "Squeeze": lambda values, axes: tf.squeeze(values, axes.tolist()),
        "Sub": tf.subtract,
        "TopK": lambda values, _, *, axis, **__: tf.sort(values, axis=axis),  # all of a row, the least first
        "Unsqueeze": lambda values, axes: tf.expand_dims(values, int(axes[0])),
        "Where": tf.where,
    }


@cache
def _tensorflow() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with _silent_errors():
        tf = import_module("tensorflow")
    tf.get_logger().setLevel("ERROR")  # each use of `tf.compat.v1` would say that there is something newer
    return tf


@contextmanager
def _silent_errors() -> Iterator[None]:
    """Keep the error stream empty: TensorFlow greets there while it is loaded, whatever it is told."""
    sys.stderr.flush()
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()
