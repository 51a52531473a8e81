"""Completions over real sockets: at once, streamed, to ten callers, within limits, and to this machine alone."""

import asyncio
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import httpx
import numpy as np
import pytest

from core.serving.completions.answers import CompletionAnswers
from core.serving.completions.application import CompletionServer
from core.serving.completions.requests import CompletionRequest
from core.serving.completions.server import completions_server, listen_locally
from core.serving.errors import ListenError
from core.serving.limits import ServingLimits
from core.settings.text_model import TextModelSettings
from core.text.model_folder import ModelFolder
from core.text.sampling import SamplingOptions, write_text
from core.text.training import train_text_model
from tests.waiting import PATIENCE_SECONDS, until


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "model"
    train_text_model(TextModelSettings(architecture="ngram", documents=300, judged_documents=20), path)
    return ModelFolder(path).load()


class Running:
    """A server on a free port, in a thread."""

    def __init__(self, application: CompletionServer) -> None:
        self.listener: socket.socket = listen_locally("127.0.0.1:0")
        self.port = self.listener.getsockname()[1]
        self.application, self.server = application, completions_server(application)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [self.listener]})
        self.thread.start()
        until(lambda: self.server.started, "the server's start")
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=PATIENCE_SECONDS, trust_env=False)

    def ask(self, **asked: object) -> httpx.Response:
        return self.http.post("/v1/completions", json=asked)

    def stop(self) -> None:
        self.http.close()
        self.server.should_exit = True
        self.thread.join(PATIENCE_SECONDS)
        self.application.close()
        self.listener.close()


@pytest.fixture(scope="module")
def served(model):
    running = Running(CompletionServer(model, "prose", clock=lambda: 1_700_000_000.0))
    yield running
    running.stop()


def texts_of(body: str) -> tuple[str, str]:
    """Return the text of a stream, and how it ended."""
    events = [line.removeprefix("data: ") for line in body.splitlines() if line]
    assert events[-1] == "[DONE]"
    choices = [json.loads(event)["choices"][0] for event in events[:-1]]
    assert all(each["finish_reason"] is None for each in choices[:-1])
    return "".join(each["text"] for each in choices), choices[-1]["finish_reason"]


def test_documents_are_those_of_the_same_seed(served, model):
    answer = served.ask(model="prose", prompt="Risk note", seed=5, max_tokens=100, n=2)
    assert answer.status_code == 200
    body = answer.json()
    options = SamplingOptions(seed=5, max_tokens=100)
    expected = [write_text(model.model, model.tokenizer, options, prompt="Risk note", number=n) for n in range(2)]
    assert [each["text"] for each in body["choices"]] == [each.text for each in expected]
    assert body["usage"]["completion_tokens"] == sum(each.n_tokens for each in expected)
    assert (body["object"], body["model"], body["created"]) == ("text_completion", "prose", 1_700_000_000)
    assert body["notice"].startswith("Synthetic")
    assert answer.headers["x-synthetic"] == "true"


def test_a_stream_is_the_same_text_in_pieces(served):
    whole = served.ask(seed=3, max_tokens=200, stop=["EUR"]).json()["choices"][0]
    answer = served.ask(seed=3, max_tokens=200, stop=["EUR"], stream=True)
    assert answer.headers["content-type"] == "text/event-stream"
    assert texts_of(answer.text) == (whole["text"], whole["finish_reason"])
    assert answer.text.count("data: ") > 3


def test_echo_repeats_the_prompt(served):
    for stream in (False, True):
        answer = served.ask(prompt="As of", seed=1, echo=True, stream=stream)
        text = texts_of(answer.text)[0] if stream else answer.json()["choices"][0]["text"]
        assert text.startswith("As of")


@pytest.mark.parametrize("stream", [False, True])
def test_no_terminal_obeys_an_answer(served, stream):
    prompt = "a\u009b31m \u202etxt \x1b[2J"
    answer = served.ask(prompt=prompt, max_tokens=1, seed=1, echo=True, stream=stream).text
    assert "\u009b" not in answer
    assert "\u202e" not in answer
    text = texts_of(answer)[0] if stream else json.loads(answer)["choices"][0]["text"]
    assert text.startswith(prompt)


def test_ten_callers_stream_at_once(served):
    def one(seed: int) -> tuple[str, str]:
        return texts_of(served.ask(seed=seed, stream=True, max_tokens=120).text)

    with ThreadPoolExecutor(10) as pool:
        found = list(pool.map(one, range(10)))
    assert found == [one(seed) for seed in range(10)]
    assert len(set(found)) == 10


def test_without_a_seed_documents_differ(served):
    found = {served.ask(max_tokens=60).json()["choices"][0]["text"] for _ in range(4)}
    assert len(found) > 1


@pytest.mark.parametrize(
    ("asked", "status", "problem"),
    [
        ({"temperature": 3}, 400, "temperature"),
        ({"max_tokens": 5_000}, 400, "The field max_tokens must be a whole number, at most 2,048."),
        ({"max_tokens": 2_000, "n": 2}, 413, "4,000"),
        ({"prompt": "x" * 9_000}, 400, "prompt"),
        ({"prompt": ["a", "b"]}, 400, "prompt"),
        ({"stop": ["a"] * 5}, 400, "stop"),
        ({"logit_bias": {}}, 400, "logit_bias"),
        ({"model": "other"}, 404, "Choose from: prose"),
        ({"n": 2, "stream": True}, 400, "n must be 1"),
    ],
    ids=str,
)
def test_a_request_that_cannot_be_answered_says_why(served, asked, status, problem):
    answer = served.ask(**asked)
    assert answer.status_code == status
    assert problem in answer.json()["error"]["message"]


def test_other_paths_and_methods(served):
    assert served.http.get("/health").json() == {"status": "ok"}
    assert served.http.get("/v1/models").json()["data"][0]["id"] == "prose"
    assert served.http.get("/v1/completions").status_code == 405
    assert served.http.get("/v1/nothing").status_code == 404
    assert served.http.post("/v1/completions", content=b"[" * 50_000).status_code == 400
    assert served.http.post("/v1/completions", content=b" " * (2 << 20)).status_code == 413


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example"}, {"origin": "http://evil.example"}, {"x-forwarded-for": "203.0.113.7"}],
    ids=str,
)
def test_a_web_page_or_a_proxy_is_not_answered(served, headers):
    answer = served.http.post("/v1/completions", json={}, headers=headers)
    assert answer.status_code == 403
    assert "its own machine" in answer.json()["error"]["message"]


@pytest.mark.parametrize("address", ["0.0.0.0:0", "192.0.2.1:8503", "nowhere", "[::]:1"])
def test_an_address_that_others_can_reach_is_refused(address):
    with pytest.raises(ListenError):
        listen_locally(address)


def test_an_answer_takes_no_longer_than_its_limit(model):
    now = iter(range(0, 10_000, 10))
    running = Running(CompletionServer(model, "prose", seconds=lambda: float(next(now))))
    try:
        # Nothing of it may be given away before 200 characters are there.
        held_back = running.ask(seed=1, max_tokens=2_000, temperature=2, stop="x" * 200).json()
        assert (held_back["choices"][0]["finish_reason"], held_back["usage"]["completion_tokens"]) == ("time_limit", 3)
        assert (
            running.ask(seed=1, max_tokens=2_000, temperature=2).json()["choices"][0]["finish_reason"] == "time_limit"
        )
        text, finish = texts_of(running.ask(seed=1, max_tokens=2_000, stream=True).text)
        assert (finish, len(text) < 100) == ("time_limit", True)
    finally:
        running.stop()


async def test_a_caller_who_takes_nothing_of_a_stream_gives_its_place_up(model, caplog):
    answers = CompletionAnswers(ServingLimits(waiting_batches=1, answer_seconds=0.01), seconds=lambda: 0.0)
    asked = CompletionRequest(stream=True, seed=1)
    sent = []

    async def full(message):
        sent.append(message)
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def stays():
        await asyncio.Event().wait()

    try:
        for _ in range(2):  # the second finds the only place free
            await answers.answer(model, "prose", asked, stays, full)
    finally:
        answers.close()
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"] * 2
    assert "took nothing of its text for 0.01 s" in caplog.text


def test_a_model_that_fails_is_said_in_the_form_of_all_errors(model, caplog):
    import dataclasses

    class Failing:
        def begin(self):
            raise ArithmeticError("of the model")

    running = Running(CompletionServer(dataclasses.replace(model, model=Failing()), "prose"))
    try:
        answer = running.ask()
    finally:
        running.stop()
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
    assert "of the model" not in answer.text
    assert "of the model" in caplog.text


class Endless:
    """A model that writes on and on, once its caller has left."""

    def __init__(self) -> None:
        self.may, self.n_written = threading.Event(), 0

    def begin(self):
        return self

    def take(self, tokens):
        self.n_written += 1

    def next_log_probabilities(self):
        assert self.may.wait(PATIENCE_SECONDS)
        logs = np.full(257, -np.inf)
        logs[ord("a") + 1] = 0.0
        return logs


async def test_a_caller_who_leaves_before_the_whole_text_ends_its_writing(model):
    import dataclasses

    endless, sent = Endless(), []

    async def leaves():
        asyncio.get_running_loop().call_soon(endless.may.set)  # once it is known that the caller has left
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    answers = CompletionAnswers(ServingLimits())
    try:
        asked = CompletionRequest(max_tokens=500, n=4)
        text = dataclasses.replace(model, model=endless)
        written = await answers.answer(text, "prose", asked, leaves, send)
    finally:
        answers.close()
    assert endless.n_written < 4
    assert {each.finish for each in written} == {"left"}
    assert sent[-1]["type"] == "http.response.body"


async def test_a_prompt_is_counted_beside_other_requests(model):
    import dataclasses

    spelled_in = set()

    class Noted:
        def __init__(self):
            self.decode = model.tokenizer.decode

        def encode(self, text):
            spelled_in.add(threading.current_thread())
            return model.tokenizer.encode(text)

    async def stays():
        await asyncio.Event().wait()

    async def send(_message):
        return

    answers = CompletionAnswers(ServingLimits())
    try:
        noted = dataclasses.replace(model, tokenizer=Noted())
        await answers.answer(noted, "prose", CompletionRequest(prompt="Risk"), stays, send)
    finally:
        answers.close()
    assert spelled_in
    assert threading.current_thread() not in spelled_in


class Held:
    """A model that writes nothing until it may."""

    def __init__(self, model) -> None:
        self.of, self.may, self.n_asked = model, threading.Event(), 0
        self.name, self.n_tokens = "held", model.n_tokens

    def begin(self):
        self.n_asked += 1
        assert self.may.wait(PATIENCE_SECONDS)
        return self.of.begin()


def test_more_requests_than_may_wait_are_told_to_ask_later_and_one_who_leaves_ends_the_writing(model):
    import dataclasses

    held = Held(model.model)
    limits = ServingLimits(waiting_batches=1, workers=1)
    running = Running(CompletionServer(dataclasses.replace(model, model=held), "prose", limits=limits))
    try:
        leaving = HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE_SECONDS)
        leaving.request("POST", "/v1/completions", body=b'{"stream": true, "max_tokens": 2000, "temperature": 2}')
        until(lambda: held.n_asked == 1, "the first request")
        refused = running.ask()
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        leaving.close()
        held.may.set()
        until(lambda: running.ask(max_tokens=5).status_code == 200, "the end of the writing that nobody reads")
    finally:
        held.may.set()
        running.stop()
