"""A graph of ONNX under construction: inputs by column, operators, constants, and the file."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from core.arrays import AnyArray

OPSET, ML_OPSET, IR_VERSION = 24, 5, 12
"""Those of onnxruntime 1.24. Earlier ones know the operator for trees of doubles and answer some trees wrongly; an
opset that they do not know lets them refuse the file instead."""
ML: Final = "ai.onnx.ml"
ROWS: Final = "rows"  # the name of the size of every input
GraphValue = str
"""The name of a tensor in a graph. Of two dimensions, rows first, unless a function says otherwise."""


class Graph:
    """Operators in the order in which they were added.

    Args:
        reserved: Names that inputs will have; no other tensor is given one that begins like it.
    """

    def __init__(self, reserved: tuple[str, ...]) -> None:
        self._prefix = "t"
        while any(name.startswith(self._prefix) for name in reserved):
            self._prefix += "_"
        self._n_names = 0
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._inputs: list[Any] = []

    def input(self, name: str, *, is_text: bool) -> GraphValue:
        """Add an input of one value a row, shape (n,)."""
        from onnx import TensorProto, helper

        kind = TensorProto.STRING if is_text else TensorProto.DOUBLE
        self._inputs.append(helper.make_tensor_value_info(name, kind, [ROWS]))
        return name

    def constant(self, values: Any) -> GraphValue:
        """Add an array that does not depend on the rows; plain numbers become doubles, whole ones stay whole."""
        from onnx import numpy_helper

        name = self._name()
        self._constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def op(
        self, kind: str, *operands: GraphValue | float | AnyArray, domain: str = "", **attributes: Any
    ) -> GraphValue:
        """Add an operator with one output; numbers and arrays among its operands become constants."""
        from onnx import helper

        names = [operand if isinstance(operand, str) else self.constant(operand) for operand in operands]
        output = self._name()
        self._nodes.append(helper.make_node(kind, names, [output], name=output, domain=domain, **attributes))
        return output

    def column(self, vector: GraphValue) -> GraphValue:
        """Turn shape (n,) into (n, 1)."""
        return self.op("Unsqueeze", vector, np.array([1]))

    def columns(self, values: GraphValue, positions: AnyArray) -> GraphValue:
        """Select columns."""
        return self.op("Gather", values, np.asarray(positions, dtype=np.int64), axis=1)

    def beside(self, blocks: list[GraphValue]) -> GraphValue:
        """Put blocks of columns beside each other."""
        return blocks[0] if len(blocks) == 1 else self.op("Concat", *blocks, axis=1)

    def as_double(self, values: GraphValue) -> GraphValue:
        """Turn flags or whole numbers into doubles."""
        from onnx import TensorProto

        return self.op("Cast", values, to=TensorProto.DOUBLE)

    def rounded(self, values: GraphValue) -> GraphValue:
        """Round doubles to single precision, as a library does that reads its rows so; they stay doubles."""
        from onnx import TensorProto

        return self.as_double(self.op("Cast", values, to=TensorProto.FLOAT))

    def at_least(self, values: GraphValue, least: Any) -> GraphValue:
        """Raise values to a limit; NaN stays, which the operator Max does not promise."""
        limit = self.constant(np.asarray(least, dtype=np.float64))
        return self.op("Where", self.op("Less", values, limit), limit, values)

    def at_most(self, values: GraphValue, most: Any) -> GraphValue:
        """Lower values to a limit; NaN stays."""
        limit = self.constant(np.asarray(most, dtype=np.float64))
        return self.op("Where", self.op("Greater", values, limit), limit, values)

    def where_missing(self, values: GraphValue, filling: Any) -> GraphValue:
        """Replace NaN."""
        return self.op("Where", self.op("IsNaN", values), np.asarray(filling, dtype=np.float64), values)

    def repeated(self, row: AnyArray, rows: GraphValue) -> GraphValue:
        """Give every row of another tensor the same values, shape (n, len(row))."""
        n_rows = self.op("Shape", rows, start=0, end=1)
        shape = self.op("Concat", n_rows, np.array([row.size]), axis=0)
        return self.op("Expand", np.asarray(row, dtype=np.float64).reshape(1, -1), shape)

    def sorted(self, values: GraphValue, n_columns: int) -> GraphValue:
        """Sort each row, the least first."""
        from onnx import helper

        output, positions = self._name(), self._name()
        operands = [values, self.constant(np.array([n_columns]))]
        node = helper.make_node("TopK", operands, [output, positions], name=output, axis=1, largest=0, sorted=1)
        self._nodes.append(node)
        return output

    def looked_up(self, texts: GraphValue, values: Mapping[str, float], otherwise: float) -> GraphValue:
        """Look up a number for each text, shape (n,) for (n,)."""
        from onnx import TensorProto, helper

        numbers = helper.make_tensor("values", TensorProto.DOUBLE, [len(values)], list(values.values()))
        default = helper.make_tensor("default", TensorProto.DOUBLE, [1], [otherwise])
        return self.op(
            "LabelEncoder",
            texts,
            domain=ML,
            keys_strings=list(values),
            values_tensor=numbers,
            default_tensor=default,
        )

    def to_bytes(self, output: GraphValue, name: str, *, n_columns: int, notes: Mapping[str, str]) -> bytes:
        """Return the file: the same graph always gives the same bytes.

        Args:
            output: The answers.
            name: What the file calls them.
            n_columns: Their number a row; 1 makes the output a vector.
            notes: The metadata of the file.
        """
        from onnx import TensorProto, checker, helper

        last = self.op("Squeeze", output, np.array([1])) if n_columns == 1 else self.op("Identity", output)
        self._nodes[-1].output[0] = name
        assert last
        shape = [ROWS] if n_columns == 1 else [ROWS, n_columns]
        told = helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape)
        graph = helper.make_graph(self._nodes, "bondx", self._inputs, [told], self._constants)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="bondx-console")
        helper.set_model_props(model, dict(sorted(notes.items())))
        checker.check_model(model)
        return bytes(model.SerializeToString(deterministic=True))

    def _name(self) -> GraphValue:
        self._n_names += 1
        return f"{self._prefix}{self._n_names}"
