"""Conformal intervals over gRPC: the limits are outputs of their own, in the contents or as raw bytes."""

import json

import numpy as np
import pytest

from core.explain.conformal import Conformal
from core.serving.dialects.dialect import Answered, ReadRequest
from core.serving.dialects.open_inference_outputs import OutputForm
from core.serving.errors import BadRequestError, CallerFaultError
from core.serving.rpc.infer import Infer
from core.serving.rpc.inference_messages import InferRequest, InferResponse
from tests.core.serving.rpc.asking import v2_request
from tests.core.serving.rpc.test_hostile_calls import ROWS, SIGNATURE

ANSWER = np.linspace(0.0, 10.0, 80)
NUMBERS = Conformal.of(ANSWER, ANSWER + np.linspace(-1.0, 1.0, 80), None, ())
CHANCE = np.linspace(0.02, 0.98, 80)
CLASSES = Conformal.of(CHANCE, (np.arange(80) % 2).astype(np.float64), None, ("no", "yes"))
V2 = Infer(1_000)


def replied(form, values, conformal):
    content = V2.reply(ReadRequest([], "7", form), Answered("m", "1.0.0", "7", SIGNATURE, values, conformal))
    return InferResponse.FromString(content)


def test_the_limits_are_outputs_of_their_own():
    plain = replied(OutputForm(), [3.0, 4.0], NUMBERS)
    assert len(plain.outputs) == 1
    assert not plain.parameters
    found = replied(OutputForm(level=0.9), [3.0, 4.0], NUMBERS)
    name = plain.outputs[0].name
    assert [each.name for each in found.outputs] == [name, f"{name}_low", f"{name}_high"]
    low, high = NUMBERS.bounds(np.array([3.0, 4.0]), 0.9)
    assert list(found.outputs[1].contents.fp64_contents) == low.tolist()
    assert list(found.outputs[2].contents.fp64_contents) == high.tolist()
    assert found.parameters["interval"].double_param == NUMBERS.radius(0.9)[0]


def test_raw_answers_have_raw_limits():
    found = replied(OutputForm(is_binary=True, level=0.9), [3.0, 4.0], NUMBERS)
    assert len(found.raw_output_contents) == len(found.outputs) == 3
    low, _ = NUMBERS.bounds(np.array([3.0, 4.0]), 0.9)
    assert np.frombuffer(found.raw_output_contents[1], dtype="<f8").tolist() == low.tolist()


def test_of_classes_the_set_is_a_text():
    found = replied(OutputForm(level=0.9), [0.1, 0.9], CLASSES)
    sets = [json.loads(text) for text in found.outputs[1].contents.bytes_contents]
    assert sets == [list(each) for each in CLASSES.classes_of(np.array([0.1, 0.9]), 0.9)]


@pytest.mark.parametrize(("level", "conformal"), [(0.9, None), (2.0, NUMBERS), (0.995, NUMBERS)])
def test_a_level_that_cannot_be_kept_is_refused_before_the_answer(level, conformal):
    with pytest.raises(BadRequestError, match="cannot be answered"):
        V2.require(ReadRequest([], None, OutputForm(level=level)), conformal)


def read(request):
    return V2.reader(SIGNATURE)(request.SerializeToString())


@pytest.mark.parametrize(
    ("place", "value", "level"),
    [("double_param", 0.8, 0.8), ("string_param", "0.8", 0.8), ("string_param", "8e-1", 0.8), ("int64_param", 1, 1.0)],
)
def test_the_parameter_of_a_request_is_read_from_each_place_that_a_number_has(place, value, level):
    request = InferRequest.FromString(v2_request("rent", ROWS))
    assert read(request).form.level is None
    setattr(request.parameters["interval"], place, value)
    assert read(request).form.level == level


@pytest.mark.parametrize(
    ("place", "value", "shown"),
    [("string_param", text, f"is '{text}'") for text in ("abc", "", " 0.9", "0_9", "0,9", "1e999")]
    + [("bool_param", True, "is True")],
)
def test_a_parameter_of_another_kind_is_refused_by_name(place, value, shown):
    request = InferRequest.FromString(v2_request("rent", ROWS))
    setattr(request.parameters["interval"], place, value)
    with pytest.raises(CallerFaultError) as refused:
        read(request)
    assert str(refused.value) == f"The field parameters.interval {shown}; it must be a number."


@pytest.mark.parametrize("text", ["nan", "inf", "1.5", "-0.9", "1"])
def test_a_level_that_is_not_offered_is_refused_by_name(text):
    request = InferRequest.FromString(v2_request("rent", ROWS))
    request.parameters["interval"].string_param = text
    with pytest.raises(BadRequestError, match=r"^The field parameters\.interval cannot be answered: An interval of"):
        V2.require(read(request), NUMBERS)


def test_the_parameters_of_an_output_are_read_from_texts_and_refused_by_name():
    request = InferRequest.FromString(v2_request("rent", ROWS))
    wanted = request.outputs.add(name=SIGNATURE.output)
    wanted.parameters["binary_data"].string_param = "false"
    wanted.parameters["classification"].string_param = "0"
    assert read(request).form == OutputForm()
    wanted.parameters["classification"].string_param = "two"
    with pytest.raises(CallerFaultError) as refused:
        read(request)
    assert str(refused.value) == (
        f"The field {SIGNATURE.output}.parameters.classification is 'two'; it must be a whole number."
    )
