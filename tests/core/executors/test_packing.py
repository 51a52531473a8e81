"""Plain values as bytes: they come back to the last bit, and nothing else travels."""

import math

import numpy as np
import pytest

from core.executors.packing import UnreadableMessageError, packed, unpacked

VALUE = {
    "nothing": None,
    "numbers": (1, -2.5, math.inf, True),
    "text": "zürich \x00 \ud800",
    "bytes": b"\x00\xff",
    "list": [[], {}, ()],
    "array": np.array([[1.5, -0.0], [np.nan, 3.0]]),
}


def test_values_come_back_as_they_were():
    found = unpacked(packed(VALUE))

    array, expected = found.pop("array"), VALUE["array"]
    assert found == {name: value for name, value in VALUE.items() if name != "array"}
    assert isinstance(found["numbers"], tuple)
    assert array.tobytes() == expected.tobytes()
    assert array.flags.writeable
    assert array.flags.aligned


@pytest.mark.parametrize("kind", ["<f4", ">f8", "|b1", "<i8", "<u2", "<M8[us]"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (3, 4), (2, 0, 3)])
def test_an_array_keeps_type_and_order(kind, order, shape):
    size = math.prod(shape)
    array = np.asarray(np.arange(size).reshape(shape).astype(np.dtype(kind)), order=order)

    found = unpacked(packed(array))

    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.flags.f_contiguous == array.flags.f_contiguous
    assert found.flags.c_contiguous == array.flags.c_contiguous
    assert found.tobytes("A") == array.tobytes("A")


def test_a_number_of_numpy_comes_back_as_pythons():
    found = unpacked(packed([np.float64(0.1), np.float32(0.1), np.int64(3), np.bool_(True)]))

    assert found == [0.1, float(np.float32(0.1)), 3, True]
    assert [type(each) for each in found] == [float, float, int, bool]


@pytest.mark.parametrize(
    "value",
    [object(), {1: "a"}, {"$array": 0}, {"a", "b"}, np.array([object()]), len],
    ids=["object", "number as a name", "reserved name", "set", "array of objects", "function"],
)
def test_what_is_not_plain_is_refused(value):
    with pytest.raises(TypeError):
        packed({"inside": [value]})


def test_a_message_that_is_cut_or_changed_is_refused_or_reads_as_values():
    message = packed({"rows": np.arange(3), "name": "a", "raw": b"xyz"})
    for length in range(len(message)):
        with pytest.raises(UnreadableMessageError):
            unpacked(message[:length])
    with pytest.raises(UnreadableMessageError):
        unpacked(message + b"x")


def test_no_message_can_bring_an_object():
    array = np.array([{"of": "objects"}], dtype=object)
    with pytest.raises(TypeError, match="array of objects"):
        packed(array)
    import io

    content = io.BytesIO()
    np.save(content, array, allow_pickle=True)
    forged = packed({"bytes": content.getvalue()}).replace(b'"$bytes"', b'"$array"')
    with pytest.raises(UnreadableMessageError, match="allow_pickle"):
        unpacked(forged)
