"""A decoder is rolled out by a real server: a candidate whose texts contradict themselves goes back."""

import shutil

import msgspec
import pytest

from console.cli.main import main as command_line
from core.evidence import EvidencePacks
from core.files import digest
from core.registry import Registry
from core.rollout import GuardVerdict, RolloutPhase
from core.settings.text_model import TextModelSettings
from core.state import Workspace
from core.text.corpus import draw_corpus, text_grammar
from core.text.model_folder import MANIFEST, WEIGHTS, ModelFolder, spell_model
from core.text.sampling import SamplingOptions, write_text
from core.text.training import train_text_model
from tests.core.serving.completions.conftest import made_live
from tests.core.serving.completions.test_text_rollouts import RULES, under_traffic

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

SMALL = TextModelSettings(
    architecture="decoder", documents=300, judged_documents=30, embedding_dim=32, hidden_dim=64, num_heads=2,
    num_layers=1, max_length=128, batch_size=16, max_steps=150, evaluation_steps=150, warmup_steps=5,
    learning_rate=0.01,
)  # fmt: skip
EASY = RULES.replace(
    "promotion: {min_accuracy: 0}", "promotion: {min_accuracy: 0, accuracy_metric: accuracy, max_attainment_drop: 1}"
).replace("nats_above_floor: 3", "nats_above_floor: 30, nats_below_bigram: -30")
ENDS = SamplingOptions(temperature=0, max_tokens=4)


@pytest.fixture(scope="module")
def decoders(tmp_path_factory):
    """A decoder, and another one that writes the end of a sentence otherwise: no grammar reads its documents."""
    good, broken = (tmp_path_factory.mktemp("text") / name for name in ("good", "broken"))
    train_text_model(SMALL, good)
    shutil.copytree(good, broken)
    opened = ModelFolder(good).load()
    (stop,), (other,) = (opened.tokenizer.encode(sign) for sign in (".", "!"))
    weights = opened.model.decoder.embedding.weight
    with torch.no_grad():
        weights[[stop, other]] = weights[[other, stop]]
    written = WEIGHTS["decoder"]
    (broken / written).write_bytes(content := spell_model(opened.model))
    manifest = msgspec.json.decode((broken / MANIFEST).read_bytes())
    (broken / MANIFEST).write_bytes(msgspec.json.encode(manifest | {"weights_sha256": digest(content)}))
    return good, broken


def prompt_that_tells(decoders):
    """Return a document without its end, which one decoder ends as the grammar does and the other one does not."""
    grammar, (good, broken) = text_grammar("etrm"), (ModelFolder(each).load() for each in decoders)
    for document in draw_corpus("etrm", 300, seed=9).documents:
        prompt = document.removesuffix(".")
        as_read = []
        for opened in (good, broken):
            found = write_text(opened.model, opened.tokenizer, ENDS, prompt=prompt)
            as_read.append(found.finish == "end" and grammar.read(prompt + found.text) is not None)
            if found.finish != "end":
                break
        if as_read == [True, False]:
            return prompt
    raise AssertionError("the decoders differ in no document")


def test_a_decoder_whose_texts_contradict_themselves_is_rolled_back(decoders, tmp_path, running, capsys):
    workspace = Workspace.create(tmp_path / "workspace", settings_text=EASY)
    root, at = workspace.root, ["--workspace", str(workspace.root)]
    made_live(root, decoders[0], "1.0.0")
    assert command_line(["text", "register", str(decoders[1]), "--model", "prose", "--written", "5", *at]) == 0
    newest = list(Registry(workspace).numbers("prose"))[-1]
    assert command_line(["registry", "promote", "prose", newest, *at]) == 0
    prompt = prompt_that_tells(decoders)
    more = {"temperature": 0, "max_tokens": 64}
    ended, versions = under_traffic(root, running, prompt, candidate=newest, usual=prompt, more=more)
    assert ended.observed.phase is RolloutPhase.ROLLED_BACK, ended.observed.events[-1]
    assert ended.observed.events[-1].reason.startswith("facts: ")
    assert {len(found) for found in versions.values()} == {1}  # every caller kept its version
    assert set().union(*versions.values()) == {"1.0.0", newest}
    readings = {reading.guard: reading for reading in ended.observed.readings}
    assert readings["facts"].verdict is GuardVerdict.HARMFUL
    assert readings["errors"].verdict is not GuardVerdict.HARMFUL
    assert Registry(workspace).production("prose").version == "1.0.0"
    assert command_line(["evidence", "build", "rollout", ended.rollout_id, "--no-pdf", *at]) == 0
    (pack,) = EvidencePacks(workspace).all()
    assert readings["facts"].reason in EvidencePacks(workspace).page(pack.pack_id).decode()
