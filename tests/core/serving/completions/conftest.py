"""Two trained models of language, and a way to make one live."""

import pytest

from console.cli.main import main as command_line
from core.settings.text_model import TextModelSettings
from core.text.training import train_text_model


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two models that differ."""
    found = [tmp_path_factory.mktemp("text") / name for name in ("first", "second")]
    for seed, folder in enumerate(found):
        train_text_model(TextModelSettings(architecture="ngram", documents=300, judged_documents=20, seed=seed), folder)
    return found


def made_live(root, folder, version):
    at = ["--workspace", str(root)]
    assert command_line(["text", "register", str(folder), "--model", "prose", "--written", "5", *at]) == 0
    assert command_line(["registry", "promote", "prose", version, "--stage", "Production", "--yes", *at]) == 0
