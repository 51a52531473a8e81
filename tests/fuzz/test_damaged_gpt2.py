"""A GPT-2 from elsewhere is opened, or refused by an error for the person who has it, however its files are damaged."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("safetensors")

from core.errors import CoreError
from core.text.neural.hugging_face import open_gpt2
from tests.damage import damaged, damaged_json

pytestmark = pytest.mark.fuzz
SOUND = Path(__file__).parents[1] / "core" / "text" / "gpt2_small"
CONFIG, TOKENIZER, WEIGHTS = "config.json", "tokenizer.json", "model.safetensors"
INDEX = {"metadata": {"total_size": 1}, "weight_map": {"wte.weight": WEIGHTS, "wpe.weight": WEIGHTS}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the files, of which each example damages one."""
    path = tmp_path_factory.mktemp("damaged") / "gpt2"
    shutil.copytree(SOUND, path)
    return path


def opened(folder: Path, name: str, content: bytes) -> None:
    """Open the folder with one of its files replaced."""
    for sound in (CONFIG, TOKENIZER, WEIGHTS):
        (folder / sound).write_bytes((SOUND / sound).read_bytes())
    (folder / name).write_bytes(content)
    with suppress(CoreError):
        open_gpt2(folder)


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER])
@given(data=st.data())
def test_texts(folder, name, data):
    opened(folder, name, data.draw(damaged((SOUND / name).read_text(encoding="utf-8"))).encode(errors="surrogatepass"))


@pytest.mark.parametrize("name", [CONFIG, TOKENIZER])
@given(data=st.data())
def test_values(folder, name, data):
    value = data.draw(damaged_json(json.loads((SOUND / name).read_bytes())))
    opened(folder, name, json.dumps(value).encode())


@given(at=st.integers(0, 4_000), new=st.binary(max_size=9), n_cut=st.integers(0, 20_000))
def test_weights(folder, at, new, n_cut):
    content = (SOUND / WEIGHTS).read_bytes()
    whole = content[:at] + new + content[at + len(new) :]
    opened(folder, WEIGHTS, whole[: len(whole) - n_cut])


@given(
    value=damaged_json({"metadata": {"total_size": 1}, "weight_map": {"wte.weight": WEIGHTS, "wpe.weight": WEIGHTS}})
)
def test_the_index_of_shards(folder, value):
    (folder / WEIGHTS).unlink(missing_ok=True)
    (folder / CONFIG).write_bytes((SOUND / CONFIG).read_bytes())
    (folder / f"{WEIGHTS}.index.json").write_text(json.dumps(value), encoding="utf-8")
    with suppress(CoreError):
        open_gpt2(folder)
    (folder / f"{WEIGHTS}.index.json").unlink()
