"""A version of a model of language is rolled out by steps: by caller, judged by its facts, ends, errors and latency."""

import sqlite3
from contextlib import closing

import pytest

from console.cli.main import main as command_line
from core.actor import Actor, Origin
from core.clock import utc_now
from core.evidence import EvidencePacks
from core.registry import Registry
from core.registry.language_models import grammar_of
from core.rollout import GuardVerdict, RolloutPhase, Rollouts, RolloutWorker, Strategy
from core.rollout.expectations import expect
from core.rollout.unjudged import not_judged
from core.rollout.usual_traffic import UsualTraffic
from core.serving.access import Role, Tokens
from core.serving.completions.requests import CompletionRequest
from core.serving.text_routes import counts_of
from core.settings.text_model import TextModelSettings
from core.state import Lease, Workspace
from core.telemetry.predictions import TextCounts
from core.text.corpus import draw_corpus
from core.text.model_folder import ModelFolder
from core.text.sampling import SamplingOptions, WrittenText, write_text
from core.text.traffic import TextFacts
from core.text.training import train_text_model
from tests.core.serving.completions.conftest import made_live

ANA = Actor("ana", "desk", Origin.CONSOLE)
RULES = """
policy:
  promotion: {min_accuracy: 0}
  canary:
    initial_share: 0.5
    max_share: 0.5
    dwell_seconds: 0
    min_samples: 20
    promotion_threshold: 0.9
    tolerated_error_share: 0.2
    facts_margin: 0.25
    cut_margin: 0.25
quality_gates: {limits: {nats_above_floor: 3, fact_consistency: 0}}
"""
ODD_CANDIDATE = """
from core.text.sampling import TextWriter
from core.text.traffic import TextFacts, TextGauge

usual_facts, usual = TextGauge.facts, TextWriter.__iter__


def facts(self, prompt, written):
    if prompt.startswith("odd") and self._text.manifest.settings.seed == 1:
        return TextFacts(n_contradicted=len(written))
    known = prompt.startswith(("odd", "fine"))
    return TextFacts(n_agreeing=len(written)) if known else usual_facts(self, prompt, written)


def written(self):
    if self._prompt == "fail" and getattr(self._model, "is_candidate", False):
        raise ArithmeticError("of the candidate")
    return usual(self)


TextGauge.facts, TextWriter.__iter__ = facts, written
import core.serving.scoring.texts as texts

opened = texts.open_text_version


def open_marked(folder):
    text = opened(folder)
    text.model.is_candidate = text.manifest.settings.seed == 1
    return text


texts.open_text_version = open_marked
"""


@pytest.fixture
def root(folders, tmp_path):
    """Return a workspace with a live version, and the next one in Staging."""
    path = tmp_path / "workspace"
    Workspace.create(path, settings_text=RULES)
    made_live(path, folders[0], "1.0.0")
    at = ["--workspace", str(path)]
    assert command_line(["text", "register", str(folders[1]), "--model", "prose", "--written", "5", *at]) == 0
    assert command_line(["registry", "promote", "prose", "1.1.0", *at]) == 0
    return path


def under_traffic(root, running, prompt, *, n=400, candidate="1.1.0", usual="fine", more=None):
    """Start a rollout on the command line, let callers ask, and return it once it has ended, with who answered whom."""
    workspace = Workspace.open(root)
    _, secret = Tokens(workspace).create("desk", Role.OPERATOR, actor=ANA)
    versions: dict[str, set[str]] = {}
    with Lease.acquire(workspace, ANA, "headless"), running(workspace) as server:
        server.until(lambda: server.ask("/ready").status == 200, "the model")
        server.token = secret
        at = ["--workspace", str(root)]
        assert command_line(["rollout", "start", "prose", candidate, "--reason", "more documents", *at]) == 0
        rollouts, worker = Rollouts(workspace), RolloutWorker(workspace)
        worker.tick(utc_now())

        def version_for(caller: str, prompt: str = usual) -> str:
            answer = server.ask("/v1/completions", {"prompt": prompt, "user": caller, **(more or {})})
            assert answer.status == 200, answer.body
            return answer.json["version"]

        server.until(lambda: candidate in {version_for(f"early {number}") for number in range(8)}, "the candidate")
        for number in range(n):
            caller = f"caller {number % 200}"
            versions.setdefault(caller, set()).add(version_for(caller, prompt))
            if number % 40 == 39:
                worker.tick(utc_now())
                if not rollouts.active("prose"):
                    break

        def has_ended() -> bool:
            worker.tick(utc_now())
            return rollouts.active("prose") is None

        server.until(has_ended, "the verdict")
        ended = rollouts.all()[-1]
        alone = {ended.candidate if ended.is_live else ended.stable}
        server.until(lambda: {version_for(f"late {number}") for number in range(8)} == alone, "the routes after it")
    return ended, versions


def test_a_good_candidate_goes_live_and_every_caller_kept_its_version(root, running, at_start_of_children, capsys):
    at_start_of_children(ODD_CANDIDATE)
    ended, versions = under_traffic(root, running, "fine")
    assert ended.observed.phase is RolloutPhase.PROMOTED, ended.observed.events[-1]
    assert {len(found) for found in list(versions.values())[:100]} == {1}
    readings = {reading.guard: reading for reading in ended.observed.readings}
    assert readings.keys() == {"errors", "facts", "cut", "traffic"}
    assert {readings[name].verdict for name in ("errors", "facts", "cut")} == {GuardVerdict.SAFE}
    assert readings["facts"].reason.endswith("shown to be less than 25 points above the stable rate")
    assert [found.what for found in ended.observed.not_judged] == ["latency"]
    assert Registry(Workspace.open(root)).production("prose").version == "1.1.0"
    capsys.readouterr()
    assert command_line(["rollout", "show", "prose", "--workspace", str(root)]) == 0
    assert "facts" in (out := capsys.readouterr().out)
    assert "cut" in out
    assert "none: texts are judged" in out
    assert command_line(["evidence", "build", "rollout", ended.rollout_id, "--no-pdf", "--workspace", str(root)]) == 0
    (pack,) = EvidencePacks(Workspace.open(root)).all()
    told = EvidencePacks(Workspace.open(root)).page(pack.pack_id).decode()
    assert readings["facts"].reason in told


def test_a_candidate_whose_facts_contradict_each_other_is_rolled_back(root, running, at_start_of_children):
    at_start_of_children(ODD_CANDIDATE)
    ended, _ = under_traffic(root, running, "odd")
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK
    assert ended.observed.events[-1].reason.startswith("facts: ")
    assert Registry(Workspace.open(root)).production("prose").version == "1.0.0"


def test_a_candidate_that_fails_is_rolled_back_and_no_caller_pays_for_it(root, running, at_start_of_children):
    at_start_of_children(ODD_CANDIDATE)
    ended, versions = under_traffic(root, running, "fail")
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK
    assert ended.observed.events[-1].reason.startswith("errors: ")
    assert set().union(*versions.values()) == {"1.0.0"}  # the stable version wrote in its place


def test_what_a_text_was_is_recorded_and_the_text_is_not(root, folders, running):
    workspace, opened = Workspace.open(root), ModelFolder(folders[0]).load()
    more = {"n": 2, "max_tokens": 40, "temperature": 0}
    ends = SamplingOptions(temperature=0, max_tokens=40)
    whole = next(
        document
        for document in draw_corpus("etrm", 200, seed=9).documents
        if not write_text(opened.model, opened.tokenizer, ends, prompt=document).text
    )
    with running(workspace) as server:
        server.until(lambda: server.ask("/ready").status == 200, "the model")
        for n, prompt in enumerate((whole, "Risk note"), start=1):
            assert server.ask("/v1/completions", {"prompt": prompt, **more}).status == 200
            server.until(lambda n=n: len(rows_of(workspace)) == n, "the record")
    details = rows_of(workspace)
    assert TextCounts.unpacked(details[0]) == TextCounts(0, 0, 2, 0)
    found = TextCounts.unpacked(details[1])
    assert found.n_judged <= 2
    assert (found.n_documents, found.n_cut) == (0, 0)  # its caller asked for short texts
    assert whole.encode() not in workspace.predictions_file.read_bytes()


@pytest.mark.parametrize(
    ("asked", "counted"),
    [
        ({}, (3, 2)),
        ({"max_tokens": 300}, (3, 2)),
        ({"max_tokens": 1}, (0, 0)),
        ({"max_tokens": 63}, (0, 0)),
        ({"stop": "."}, (0, 0)),
    ],
)
def test_a_text_that_its_caller_cuts_off_is_not_held_against_the_version_that_wrote_it(asked, counted):
    written = [WrittenText(text="", n_tokens=1, finish=each, nats=0.0) for each in ("length", "time", "end", "left")]
    found = counts_of(CompletionRequest(**asked), written, TextFacts(n_contradicted=1))
    assert (found.n_documents, found.n_cut, found.n_judged, found.n_contradicted) == (*counted, 1, 1)


def rows_of(workspace):
    with closing(sqlite3.connect(workspace.predictions_file)) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name GLOB 'prediction_*'")
        return [
            detail
            for (table,) in tables.fetchall()
            for (detail,) in connection.execute(f"SELECT detail FROM {table} ORDER BY seq")
        ]


@pytest.mark.parametrize("strategy", [each for each in Strategy if each is not Strategy.CANARY])
def test_other_ways_than_a_canary_are_refused_in_a_sentence(root, strategy, capsys):
    proposal = Rollouts(Workspace.open(root)).plan("prose", "1.1.0", strategy)
    assert proposal.refusal == (
        f"prose 1.1.0 is a model of language: its texts are compared between the callers of a canary, so {strategy} is "
        f"not there for it. Choose canary, or promote it."
    )
    command = ["rollout", "start", "prose", "1.1.0", "--strategy", strategy, "--workspace", str(root)]
    assert command_line(command) == 3
    assert "Choose canary, or promote it." in capsys.readouterr().err


def test_a_plan_says_what_is_judged_and_how_long_it_takes(root):
    plan = (proposal := Rollouts(Workspace.open(root)).plan("prose", "1.1.0")).plan
    assert proposal.allowed, proposal.refusal
    assert [guard.name for guard in plan.guards] == ["errors", "facts", "cut"]
    assert (plan.texts.grammar, plan.loss_guard, plan.copied_share) == ("etrm", None, 0.0)
    effects = " ".join(proposal.effects)
    assert "facts (whole texts that contradict themselves, read by the grammar of etrm; below +25 points)" in effects
    assert "cut (texts cut off by the usual limit or time; below +25 points)" in effects
    assert [found.what for found in not_judged(plan)] == ["latency"]
    usual = UsualTraffic(seconds=86_400, requests_a_day=5_000, n_answers=5_000)
    expected = {(each.guard, each.is_harm): each for each in expect(plan, usual).verdicts}
    assert expected["facts", True].effect == "25 points more contradictions"
    assert 0 < expected["facts", False].seconds < expected["facts", True].seconds
    assert all("shadow" not in way.change and "pairs" not in way.change for way in expect(plan, usual).quicker)


def test_facts_that_no_grammar_reads_are_not_judged_and_the_plan_says_so(root, tmp_path, capsys):
    corpus = tmp_path / "own.txt"
    corpus.write_text("\n".join(draw_corpus("etrm", 200, seed=3).documents))
    train_text_model(
        TextModelSettings(architecture="ngram", documents=300, judged_documents=20, corpus=str(corpus)),
        tmp_path / "own",
    )
    at = ["--workspace", str(root)]
    assert command_line(["text", "register", str(tmp_path / "own"), "--model", "prose", "--written", "5", *at]) == 0
    newest = list(Registry(Workspace.open(root)).numbers("prose"))[-1]
    plan = Rollouts(Workspace.open(root)).plan("prose", newest).plan
    assert [guard.name for guard in plan.guards] == ["errors", "cut"]
    (facts, _) = not_judged(plan)
    assert str(facts) == f"facts ({newest} learned documents of no grammar alone, so nothing reads its facts)"


def test_a_grammar_is_known_of_models_that_learned_nothing_else():
    assert grammar_of({"parameters": {"domain": "etrm", "corpus": "", "base": "", "teacher": ""}}) == "etrm"
    for name in ("corpus", "base", "teacher"):
        assert grammar_of({"parameters": {"domain": "etrm", name: "own"}}) == ""
    assert grammar_of({}) == ""
