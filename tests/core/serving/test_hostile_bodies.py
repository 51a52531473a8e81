"""A caller's fault is answered with 400 and never counts against a version, whatever the dialect."""

import gzip
import http.client
import json
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.clock import utc_now
from core.models.scoring.fields import Field, Rows
from core.rollout import Strategy
from core.serving.access import Role, Tokens
from core.serving.asgi import read_body
from core.serving.decoding import check_keys, syntax_problem
from core.serving.errors import CallerFaultError
from core.serving.scoring.scorer import CompiledScorer
from core.serving.signature import ServingSignature
from core.telemetry.predictions import Cursor, PredictionReader
from tests.clocks import HandSeconds
from tests.core.serving.in_process import serving
from tests.damage import JSON_VALUES
from tests.waiting import PATIENCE_SECONDS

PATHS = ("/api/v1/predict/spread", "/v1/models/spread:predict", "/v2/models/spread/infer")
DEEP = b"[" * 100_000


def bodies_of(row):
    """Return one sound body for each dialect, and the columns of the third."""
    datatypes = {str: "BYTES", bool: "BOOL", int: "INT64", float: "FP64"}
    tensors = [{"name": k, "shape": [1], "datatype": datatypes[type(v)], "data": [v]} for k, v in row.items()]
    plain = ({"row": row}, {"instances": [row]}, {"inputs": tensors})
    return dict(zip(PATHS, (json.dumps(body).encode() for body in plain), strict=True))


class Asking:
    """Asks one server for predictions on one connection."""

    def __init__(self, server):
        self._connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)

    def __call__(self, path, body, headers=None):
        self._connection.request("POST", path, body, {"content-type": "application/json"} | (headers or {}))
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def close(self):
        self._connection.close()


@pytest.fixture
def rolled(workspace, rolling, rows_of):
    """Serve a rollout, and check at the end that nothing was held against either version."""
    rollout = rolling(Strategy.AB, 0.5)
    with serving(workspace) as (server, _ask, _until):
        ask = Asking(server)
        yield server, ask, rows_of("spread", 1)[0]
        ask.close()
        versions = server.table.models["spread"].versions.values()
        assert [version.stats.n_errors for version in versions] == [0, 0]
    found = PredictionReader(workspace.predictions_file).read(rollout.rollout_id, Cursor(), settled_before=utc_now())
    assert not any(entry.error for entry in found.served)


def spoiled(body):
    """Yield bodies that cannot be decoded, with a word of the refusal."""
    last = body.rindex(b"}")
    yield body.replace(b'"', b'"\xff', 1), b"byte 0xff at position"
    yield body[:last] + b', "ignored": "\xc3"}', b"byte 0xc3 at position"
    yield body[:last] + b', "ignored": "\\ud800"}', b"half of a character, \\\\ud800, at position"
    yield body[:last] + b', "ignored": ' + DEEP + b"}", b"nested too deeply"
    yield body[:last] + b', "again": 1, "again": 2}', b"the key 'again' twice"
    yield body.decode().encode("utf-16"), b"UTF-8"
    yield b"\xef\xbb\xbf" + body, b"(byte 0)"
    yield gzip.compress(body), b"UTF-8"
    yield b"", b"not valid JSON: the body is empty"
    yield b"\x00" * 9, b"not valid JSON"


def test_what_cannot_be_decoded_is_refused_with_its_place_and_counts_against_nobody(rolled):
    _, ask, row = rolled
    for path, body in bodies_of(row).items():
        assert ask(path, body)[0] == 200
        for content, word in spoiled(body):
            for _ in range(2):
                status, answer = ask(path, content)
                assert (status, word in answer) == (400, True), (path, content[:80], answer)


def test_numbers_out_of_range_are_refused_by_field(rolled):
    _, ask, row = rolled
    for path, body in bodies_of(row).items():
        for number in (b"1e999", b"9" * 5_000, b"-1e999"):
            status, answer = ask(path, body.replace(json.dumps(row["vix"]).encode(), number))
            assert status == 400, answer
            assert b"vix" in answer or b"out of range" in answer


def test_a_length_with_thousands_of_zeros_is_the_length(rolled):
    _, ask, row = rolled
    for path, body in bodies_of(row).items():
        assert ask(path, body, {"content-length": "0" * 5_000 + str(len(body))})[0] == 200


def test_two_values_for_one_field_are_refused(rolled):
    _, ask, row = rolled
    bodies = bodies_of(row)
    for path in PATHS[:2]:
        assert ask(path, bodies[path].replace(b'"vix"', b'"vix": 20.0, "vix"'))[0] == 400
        assert ask(path, bodies[path].replace(b'"vix"', b'"vix" : 20.0, "v\\u0069x"'))[0] == 400
    v2 = json.loads(bodies[PATHS[2]])
    v2["inputs"].append(v2["inputs"][0])
    status, answer = ask(PATHS[2], json.dumps(v2))
    assert (status, b"two tensors" in answer) == (400, True)


@pytest.mark.fuzz
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_body_is_answered_with_a_server_error_or_counts_against_a_version(rolled, data):
    _, ask, row = rolled
    path = data.draw(st.sampled_from(PATHS))
    body = bodies_of(row)[path]
    kind = data.draw(st.sampled_from(("bytes", "cut", "value", "spliced")))
    if kind == "bytes":
        body = data.draw(st.binary(max_size=40))
    elif kind == "cut":
        body = body[: data.draw(st.integers(0, len(body)))]
    elif kind == "spliced":
        place = data.draw(st.integers(0, len(body)))
        body = body[:place] + data.draw(st.binary(max_size=6)) + body[place:]
    else:
        field = data.draw(st.sampled_from(sorted(row)))
        body = json.dumps(json.loads(body), ensure_ascii=True).encode()
        old = json.dumps(row[field]).encode()
        body = body.replace(old, json.dumps(data.draw(JSON_VALUES)).encode())
    status, answer = ask(path, body)
    assert status in (200, 400, 413), (body, answer)


def test_a_number_far_from_the_training_data_is_the_callers_fault_if_it_has_no_finite_answer():
    signature = ServingSignature([Field(name="area", kind="float", least=10.0, most=200.0, strict=False)])
    signature.check_familiar(Rows(np.array([[10.0], [np.nan], [200.0]]), [()] * 3))
    with pytest.raises(
        CallerFaultError, match=r"area has the value '1e\+300', far from the training data \(10 to 200\)"
    ):
        signature.check_familiar(Rows(np.array([[50.0], [1e300]]), [()] * 2))


def test_an_answer_that_no_version_can_give_counts_against_nobody(rolled, monkeypatch):
    server, ask, row = rolled
    candidate = server.table.models["spread"].versions["1.1.0"]
    answer_of = CompiledScorer.answer

    def refuse(rows):
        raise CallerFaultError("is far from the training data", field="vix")

    def answer(self, rows):
        return answer_of(self, rows) + (np.inf if self is candidate.scorer else 0.0)

    monkeypatch.setattr(candidate.signature, "check_familiar", refuse)
    monkeypatch.setattr(CompiledScorer, "answer", answer)
    body = bodies_of(row)[PATHS[0]]
    found = [ask(PATHS[0], body) for _ in range(40)]
    assert {(status, json.loads(answer)["version"]) for status, answer in found} == {(200, "1.0.0")}


def test_a_body_that_arrives_slowly_does_not_make_a_version_slow(rolled, monkeypatch):
    server, ask, row = rolled
    seconds = HandSeconds()

    async def slow_body(*arguments):
        seconds.pass_by(9.0)
        return await read_body(*arguments)

    monkeypatch.setattr("core.serving.predict.read_body", slow_body)
    monkeypatch.setattr("core.serving.predict.time", SimpleNamespace(perf_counter=seconds))
    assert ask(PATHS[0], json.dumps({"row": row}), {"connection": "close"})[0] == 200
    assert sum(version.stats.seconds for version in server.table.models["spread"].versions.values()) == 0.0


@pytest.mark.parametrize("header", ["x-bondx-key", "x-request-id"])
def test_a_caller_without_a_token_does_not_choose_its_side(rolled, header):
    _, ask, row = rolled
    body = bodies_of(row)[PATHS[0]]
    versions = {json.loads(ask(PATHS[0], body, {header: "always-the-same"})[1])["version"] for _ in range(60)}
    assert versions == {"1.0.0", "1.1.0"}


def test_keys_are_compared_by_their_meaning_and_whole_numbers_of_any_length_are_read():
    check_keys(b'{"a:b": "x:y", "c": {"a:b": ' + b"9" * 5_000 + b"}}", 0)
    with pytest.raises(CallerFaultError, match="the key 'vix' twice"):
        check_keys(b'{"vix": 1, "v\\u0069x": 2}', 0)


def test_half_of_a_character_is_told_from_a_whole_one():
    assert syntax_problem(rb'{"a": "\ud83d\ude00 \ud83d"}', "truncated").startswith(r"half of a character, \ud83d, at ")
    assert syntax_problem(rb'{"a": "\ud83d\ude00"', "truncated") == "truncated"
    assert syntax_problem(rb'{"a": "\\ud83d"', "truncated") == "truncated"


CONTROL = ("outcomes", "models/spread/plans", "models/spread/moves", "rollouts/plans", "rollouts", "sessions", "tokens")


@pytest.mark.parametrize("path", CONTROL)
def test_the_control_api_refuses_what_cannot_be_decoded(server, tokens, path):
    headers = {"authorization": f"Bearer {tokens[Role.ADMIN]}", "content-type": "application/json"}
    sound = b'{"verb": "promote", "reason": "x", "outcomes": [{"request_id": "a"}]}'
    for content in (sound.replace(b"x", b"\xff"), sound.replace(b"x", b"\\ud800"), b"\xff\xfe", DEEP, b"", b"1e999"):
        assert server.ask(f"/api/v1/{path}", content, headers=headers).status == 400, content[:60]


def test_loading_a_version_on_demand_requires_a_token(workspace, artifacts, put_live, register, rows_of, ana):
    put_live(workspace, "spread", artifacts / "spread")
    version = register(workspace, "spread", artifacts / "spread_other").version
    register(workspace, "spread", artifacts / "spread")  # the newest is loaded unasked
    token = Tokens(workspace).create("caller", Role.VIEWER, actor=ana)[1]
    body = bodies_of(rows_of("spread", 1)[0])[PATHS[0]]
    with serving(workspace) as (server, _ask, _until):
        ask, path = Asking(server), f"{PATHS[0]}/versions/{version}"
        status, answer = ask(path, body)
        assert (status, b"requires a token" in answer) == (401, True)
        assert ask(path, body, {"authorization": f"Bearer {token}"})[0] == 200
        assert ask(path, body)[0] == 200
        ask.close()
