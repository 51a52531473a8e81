"""The server of the registry writes texts, at once and streamed, from the live version; it refuses what it cannot."""

import json
import signal
from http.client import HTTPConnection

import pytest

from core.errors import ExitCode
from core.registry import Registry, Stage
from core.serving.access import Role, Tokens
from core.state import Workspace
from core.text.corpus import draw_corpus, text_grammar
from core.text.model_folder import ModelFolder
from core.text.sampling import SamplingOptions, write_text
from core.text.traffic import MOST_WEIGHED_TOKENS
from tests.core.serving.completions.conftest import made_live
from tests.core.serving.test_workers import log_of
from tests.waiting import PATIENCE_SECONDS, until

EASY = """
quality_gates: {limits: {nats_above_floor: 3, fact_consistency: 0}}
policy: {promotion: {min_accuracy: 0}}
"""


@pytest.fixture(scope="module")
def root(folders, tmp_path_factory):
    path = tmp_path_factory.mktemp("home") / "workspace"
    Workspace.create(path, settings_text=EASY)
    made_live(path, folders[0], "1.0.0")
    return path


def texts_of(body: str) -> str:
    events = [line.removeprefix("data: ") for line in body.splitlines() if line]
    assert events[-1] == "[DONE]"
    return "".join(json.loads(event)["choices"][0]["text"] for event in events[:-1])


def expected(folder, seed):
    opened = ModelFolder(folder).load()
    options = SamplingOptions(seed=seed, max_tokens=80)
    return write_text(opened.model, opened.tokenizer, options, prompt="Risk note").text


ASKED = {"prompt": "Risk note", "seed": 5, "max_tokens": 80}


def test_the_live_version_writes_at_both_paths_until_another_is_live(root, folders, running, ana):
    workspace = Workspace.open(root)
    _, secret = Tokens(workspace).create("reader", Role.VIEWER, actor=ana)
    with running(workspace) as server:
        server.until(lambda: server.ask("/ready").status == 200, "the model")
        for path in ("/v1/completions", "/api/v1/generate/prose", "/api/v1/generate/prose/versions/1.0.0"):
            answer = server.ask(path, ASKED)
            assert answer.status == 200, answer.body
            assert answer.json["choices"][0]["text"] == expected(folders[0], 5)
            assert (answer.json["model"], answer.json["version"]) == ("prose", "1.0.0")
            assert answer.json["notice"].startswith("Synthetic")
            assert answer.headers["x-synthetic"] == "true"
            assert answer.headers["x-bondx-version"] == "1.0.0"
            streamed = server.ask(path, {**ASKED, "stream": True})
            assert streamed.headers["content-type"] == "text/event-stream"
            assert texts_of(streamed.body.decode()) == expected(folders[0], 5)
        counted = server.ask("/metrics").body.decode()
        assert 'bondx_predict_seconds_count{model="prose",version="1.0.0"} 6' in counted

        for path, asked, status, said in (
            ("/v1/completions", {"model": "other"}, 404, "other"),
            ("/v1/completions", {"max_tokens": 0}, 400, "max_tokens"),
            ("/v1/completions", {"n": 8, "max_tokens": 2_000}, 413, "16,000"),
            ("/v1/completions", b"{", 400, "no request"),
            ("/v1/completions", b'{"seed": 1, "seed": 2}', 400, "the key 'seed' twice"),
            ("/api/v1/generate/other", {}, 404, "other"),
            ("/api/v1/generate/prose", {"model": "other"}, 404, "other"),
            ("/api/v1/generate/prose/versions/9.9.9", {}, 404, "9.9.9"),
            ("/api/v1/predict/prose", {"rows": [{"a": 1}]}, 400, "answers no rows"),
            ("/v1/models/prose:predict", {"instances": [{"a": 1}]}, 400, "answers no rows"),
        ):
            refused = server.ask(path, asked)
            assert (refused.status, said in refused.body.decode()) == (status, True), (path, refused.body)
        counted = server.ask("/metrics").body.decode()
        assert 'bondx_predict_refused_total{dialect="texts",status="404"} 4' in counted
        assert 'bondx_predict_refused_total{dialect="texts",status="413"} 1' in counted
        assert server.ask("/v1/completions", method="GET").status == 405
        assert server.ask("/v1/completions", method="OPTIONS").headers["allow"] == "POST, OPTIONS"

        server.token = secret
        assert server.ask("/api/v1/models/prose/explain", {"rows": [{"a": 1}]}).status in (400, 403)
        made_live(root, folders[1], "1.1.0")
        server.until(lambda: server.ask("/v1/completions", ASKED).json["version"] == "1.1.0", "the new version")
        assert server.ask("/v1/completions", ASKED).json["choices"][0]["text"] == expected(folders[1], 5)
        registry = Registry(workspace)
        registry.apply(registry.plan_rollback("prose"), actor=ana)
        server.until(lambda: server.ask("/v1/completions", ASKED).json["version"] == "1.0.0", "the version before")
    assert registry.get("prose", "1.0.0").stage is Stage.PRODUCTION


def test_what_is_read_and_written_is_measured(root, folders, running):
    opened = ModelFolder(folders[0]).load()
    grammar = text_grammar("etrm")
    asked = [{"prompt": prompt, "seed": seed, "max_tokens": 200} for seed in range(6) for prompt in ("", "Risk note")]
    asked[3] |= {"stream": True}
    asked[4] |= {"prompt": "Risk note " * 200}  # more tokens than are weighed
    asked[5] |= {"prompt": draw_corpus("etrm", 1, seed=9).documents[0], "temperature": 0}  # a whole document
    figures = dict.fromkeys(("tokens", "nats", "prompt_tokens", "weighed_prompt_tokens", "prompt_nats"), 0.0)
    finished, agree = dict.fromkeys(("end", "length"), 0), dict.fromkeys(("yes", "no"), 0)
    for each in asked:
        options = SamplingOptions(seed=each["seed"], max_tokens=200, temperature=each.get("temperature", 1))
        written = write_text(opened.model, opened.tokenizer, options, prompt=each["prompt"])
        prompt, going = opened.tokenizer.encode(each["prompt"]), opened.model.begin()
        for token in prompt[:MOST_WEIGHED_TOKENS]:
            figures["prompt_nats"] -= float(going.next_log_probabilities()[token])
            going.take([token])
        figures["tokens"] += written.n_tokens
        figures["nats"] += written.nats
        figures["prompt_tokens"] += len(prompt)
        figures["weighed_prompt_tokens"] += min(len(prompt), MOST_WEIGHED_TOKENS)
        finished[written.finish] += 1
        if written.finish == "end":
            agree["no" if grammar.read(each["prompt"] + written.text) is None else "yes"] += 1
    assert min(*finished.values(), *agree.values()) > 0
    with running(Workspace.open(root)) as server:
        server.until(lambda: server.ask("/ready").status == 200, "the model")
        for n_measured, each in enumerate(asked, start=1):  # one by one: a thread that writes measures nothing
            assert server.ask("/api/v1/generate/prose/versions/1.0.0", each).status == 200
            told = f'bondx_text_prompts_total{{model="prose",version="1.0.0"}} {n_measured}'
            server.until(lambda told=told: told in server.ask("/metrics").body.decode(), f"measure {n_measured}")
        lines = server.ask("/metrics").body.decode().splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if line.startswith("bondx_text_"))
    of = 'model="prose",version="1.0.0"'
    for name, value in figures.items():
        assert float(found[f"bondx_text_{name}_total{{{of}}}"]) == pytest.approx(value, rel=1e-9), name
    for finish, n in finished.items():
        assert float(found[f'bondx_text_documents_total{{finish="{finish}",{of}}}']) == n
    for which, n in agree.items():
        assert float(found[f'bondx_text_facts_total{{agree="{which}",{of}}}']) == n
    assert float(found[f"bondx_text_unmeasured_total{{{of}}}"]) == 0


ODD_WRITER = """
import os
import threading
from pathlib import Path

from core.text.sampling import TextWriter

usual = TextWriter.__iter__


def odd(self):
    if self._prompt == "fail":
        raise ArithmeticError("of the model")
    if self._prompt == "stay":
        Path(os.environ["WRITING_BEGUN"]).touch()
        threading.Event().wait()
    return usual(self)


TextWriter.__iter__ = odd
import core.serving.stuck

core.serving.stuck.STORE_SECONDS = PATIENCE
"""


def test_a_text_that_fails_counts_against_its_version_and_one_that_never_ends_holds_no_server_up(
    folders, tmp_path, running, at_start_of_children, monkeypatch
):
    begun = tmp_path / "begun"
    monkeypatch.setenv("WRITING_BEGUN", str(begun))
    path = tmp_path / "workspace"
    workspace = Workspace.create(path, settings_text=f"{EASY}\nserving: {{stop_seconds: 1.5}}\n")
    made_live(path, folders[0], "1.0.0")
    at_start_of_children(ODD_WRITER.replace("PATIENCE", f"{PATIENCE_SECONDS:g}"))
    with running(workspace) as server:
        server.until(lambda: server.ask("/ready").status == 200, "the model")
        failed = server.ask("/v1/completions", {"prompt": "fail"})
        assert (failed.status, failed.json["error"]["type"]) == (500, "server_error")
        counted = server.ask("/metrics").body.decode()
        assert 'bondx_predict_failures_total{model="prose",version="1.0.0"} 1' in counted
        assert 'bondx_predict_refused_total{dialect="texts",status="500"} 1' in counted
        staying = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
        staying.request("POST", "/v1/completions", json.dumps({"prompt": "stay"}))
        until(begun.exists, "the text that never ends")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE_SECONDS) == ExitCode.STUCK
        staying.close()
    assert "still computing 1.5 s after the server was stopped: writing" in log_of(workspace)


def test_a_version_of_rows_writes_no_texts(workspace, artifacts, put_live, running):
    put_live(workspace, "spread", artifacts / "spread")
    with running(workspace) as server:
        server.until(lambda: server.ask("/ready").status == 200, "the model")
        answer = server.ask("/api/v1/generate/spread", {})
        assert (answer.status, "writes no texts" in answer.json["error"]) == (400, True)
        answer = server.ask("/v1/completions", {})
        assert (answer.status, "No model of language is live" in answer.json["error"]["message"]) == (404, True)
