"""Texts, bills and doors say what is synthetic, and that nothing in it is real only where that is true."""

import json

import pytest

from console.cli.main import main
from core.actor import Actor, Origin
from core.evidence import bill_of_version
from core.serving.completions.answers import _Frame
from core.serving.control.signatures import VersionSignature
from core.serving.dialects.open_inference_models import _metadata
from core.serving.dialects.tf_serving import _metadata as tf_metadata
from core.serving.scoring.texts import TextScorer
from core.serving.signature import TextSignature
from core.settings import Settings
from core.settings.text_model import TextModelSettings
from core.state import Workspace
from core.text.corpus import NOTICE
from core.text.model_folder import ModelFolder
from core.text.sampling import BANNER, OWN_BANNER, SYNTHETIC_TEXT, SamplingOptions
from core.text.training import train_text_model
from core.training.text_models import register_text_model
from core.training.text_writing import banner_of_version, write_with_version

ANA = Actor("ana", "desk", Origin.COMMAND_LINE)
NAMES = ("grammar", "own")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A model of drawn documents, and one of documents of a user's own."""
    place = tmp_path_factory.mktemp("texts")
    corpus = place / "own.txt"
    corpus.write_text("".join(f"Memo {number} of the desk: hold the gas position, says Jo.\n" for number in range(60)))
    train_text_model(TextModelSettings(architecture="ngram", documents=200, judged_documents=20), place / "grammar")
    train_text_model(TextModelSettings(architecture="ngram", corpus=str(corpus)), place / "own")
    return place


@pytest.fixture(scope="module")
def registered(folders):
    workspace = Workspace.create(folders / "workspace", settings_text="")
    for name in NAMES:
        register_text_model(workspace, folders / name, name, Settings(), actor=ANA, n_written=2)
    return workspace


@pytest.mark.parametrize(("name", "banner"), [("grammar", BANNER), ("own", OWN_BANNER)])
def test_only_a_model_of_drawn_documents_says_that_nothing_in_its_texts_is_real(
    folders, registered, name, banner, capsys
):
    assert ModelFolder(folders / name).load().banner == banner
    assert banner_of_version(registered, name, "1.0.0") == banner
    options = SamplingOptions(max_tokens=4)
    assert write_with_version(registered, name, None, "", options, actor=ANA).notice == banner
    assert _Frame("c", 0, name, {}, banner).of([])["notice"] == banner
    capsys.readouterr()
    assert main(["text", "sample", str(folders / name), "--max-tokens", "4", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["notice"] == banner


@pytest.mark.parametrize(("name", "is_synthetic"), [("grammar", True), ("own", False)])
def test_a_bill_says_that_the_documents_are_synthetic_where_they_were_drawn(registered, name, is_synthetic):
    card = bill_of_version(registered, name, "1.0.0")["metadata"]["component"]["modelCard"]
    limits = card["considerations"].get("technicalLimitations", [])
    assert (NOTICE in limits) is is_synthetic
    assert any("ynthetic" in each for each in limits) is is_synthetic
    assert card["modelParameters"]["approach"] == {"type": "self-supervised"}


def test_every_door_describes_the_prompt_and_the_text(registered, capsys):
    signature = TextScorer(registered.artifacts_dir / "grammar" / "1.0.0").signature
    assert isinstance(signature, TextSignature)
    found = _metadata("gas desk", ["1.0.0"], signature)
    assert found["inputs"] == [{"name": "prompt", "datatype": "BYTES", "shape": [1]}]
    path = {"path": "/api/v1/generate/gas%20desk"}
    assert found["outputs"] == [{"name": "text", "datatype": "BYTES", "shape": [-1], "parameters": path}]
    definition = tf_metadata("m", "1.0.0", signature)["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert definition["method_name"] == "bondx/generate"
    assert (definition["inputs"]["prompt"]["dtype"], definition["outputs"]["text"]["dtype"]) == ("DT_STRING",) * 2
    told = VersionSignature.of(signature)
    assert ([each.name for each in told.fields], told.output, told.writes_texts) == (["prompt"], "text", True)
    assert main(["--workspace", str(registered.root), "registry", "show", "grammar", "1.0.0"]) == 0
    shown = capsys.readouterr().out
    assert "prompt, a text" in shown
    assert "POST /api/v1/generate/grammar" in shown


@pytest.mark.parametrize("notice", [BANNER, OWN_BANNER, SYNTHETIC_TEXT])
def test_a_notice_fits_the_narrowest_screen_whole(notice):
    assert len(notice) <= 78
