"""Tab in the shells themselves: each is started as a person starts it, and completes what is typed."""

import json
import re
import shutil
from pathlib import Path

import pytest

pytestmark = pytest.mark.terminal

SHELLS = {
    "bash": ("bash --norc --noprofile", "source <(bondx completion bash)"),
    "zsh": ("zsh -f", "autoload -U compinit; compinit -u -D; source <(bondx completion zsh)"),
    "fish": ("fish --no-config", "bondx completion fish | source"),
}
STATE = {
    "models": {"1": {"model": "spread"}},
    "versions": {
        "1": {"model": "spread", "version": "1.0.0", "stage": "Archived"},
        "2": {"model": "spread", "version": "2.0.0", "stage": "Production"},
    },
}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "desk"
    (folder / "my files").mkdir(parents=True)
    (folder / "conf.yaml").touch()
    state = tmp_path / "home" / "state"
    state.mkdir(parents=True)
    (state / "registry.json").write_text(json.dumps(STATE))
    monkeypatch.setenv("BONDX_HOME", str(state.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    return folder


TYPED = {
    "bondx regi": r"bondx registry",
    "bondx registry promote s": r"bondx registry promote spread",
    "bondx registry promote spread 2": r"bondx registry promote spread 2\.0\.0",
    "bondx explain spread@1": r"bondx explain spread@1\.0\.0",
    "bondx drift why spread --version=2": r"bondx drift why spread --version=2\.0\.0",
    "bondx run --config con": r"bondx run --config conf\.yaml",
    "bondx run --config=con": r"bondx run --config=conf\.yaml",
    "bondx --workspace my": r"bondx --workspace my\\ files/",
    "true | bondx registry promo": r"true \| bondx registry promote",
    "bondx-mlops evaluate --model s": r"bondx-mlops evaluate --model spread",
}


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_completes(shell, desk, terminal):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    start, setup = SHELLS[shell]
    opened = terminal(start, cwd=desk, columns=100)
    opened.type(f"{setup}; echo 'desk'-ready")
    opened.press("Enter")
    opened.wait_for("desk-ready")
    for typed, becomes in TYPED.items():
        opened.press("C-u", "C-l")
        opened.wait_until(lambda screen: "bondx" not in screen, "an empty line")
        opened.type(typed)
        opened.wait_for(re.escape(typed))  # all of it is drawn, so Tab comes behind its last letter
        opened.press("Tab")
        opened.wait_for(becomes)
