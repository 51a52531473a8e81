"""A GPT-2 from a folder of Hugging Face: config, tokenizer and safetensors are read as data; nothing is executed."""

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from core.errors import NotFoundError
from core.escape import shown
from core.files import access_error, digest, sha256_of
from core.json_documents import converted, decode_json
from core.plain_files import open_plain, read_file
from core.text.gpt2_shape import GPT2_CONFIG, Gpt2Shape
from core.text.neural.gpt2 import Gpt2
from core.text.neural.weights import WeightsError
from core.text.tokenizers.gpt2 import MAX_BYTES, Gpt2Tokenizer, read_gpt2_tokenizer

TOKENIZER, WEIGHTS, INDEX = "tokenizer.json", "model.safetensors", "model.safetensors.index.json"
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
_MAX_JSON_BYTES = 16 * 1024 * 1024
_MAX_HEADER_BYTES = 16 * 1024 * 1024
_MAX_SHARDS = 1_000
_LONGEST_NAME = 100
_PREFIX = "transformer."
_MASKS = re.compile(r"h\.\d+\.attn\.(?:bias|masked_bias)")
_DTYPES = ("F32", "F16", "BF16")
_LAYER = {
    "ln_1": "attention_norm",
    "attn.c_attn": "attention.queries_keys_values",
    "attn.c_proj": "attention.output",
    "ln_2": "feed_forward_norm",
    "mlp.c_fc": "feed_forward.up",
    "mlp.c_proj": "feed_forward.down",
}
_GPT2_ACTIVATIONS = ("gelu_new", "gelu_pytorch_tanh")


class _Index(msgspec.Struct, frozen=True):
    weight_map: dict[str, str]


@dataclass(frozen=True, slots=True)
class OpenedGpt2:
    """A GPT-2 of a folder; `sha256` is of all its files."""

    sha256: str
    shape: Gpt2Shape
    tokenizer: Gpt2Tokenizer
    decoder: Gpt2


def open_gpt2(folder: Path) -> OpenedGpt2:
    """Open a GPT-2.

    Args:
        folder: Has `config.json`, `tokenizer.json`, and `model.safetensors`, whole or in shards with an index.
    Raises:
        NotFoundError: A file is missing.
        WeightsError: A file is damaged, or is not of a GPT-2.
        TokenizerError: The tokenizer is not that of a GPT-2.
        FileAccessError: A file cannot be read.
    """
    config = _json_of(folder / GPT2_CONFIG)
    shape = _shape_of(config, folder / GPT2_CONFIG)
    homes, files = _homes(folder)
    for file in files:
        _require_header(file)
    spelled = _content_of(folder / TOKENIZER, MAX_BYTES)
    vocabulary = read_gpt2_tokenizer(spelled, folder / TOKENIZER)
    if vocabulary.tokenizer.n_tokens != shape.vocab_size:
        raise WeightsError(
            f"{folder / TOKENIZER} has {vocabulary.tokenizer.n_tokens:,} tokens, and vocab_size of {GPT2_CONFIG} is "
            f"{shape.vocab_size:,}: it is the tokenizer of another model."
        )
    decoder = _filled(shape, list(vocabulary.order), homes, files)
    hashes = {GPT2_CONFIG: digest(config), TOKENIZER: digest(spelled)}
    for file in files:
        try:
            hashes[file.name] = sha256_of(file)
        except OSError as error:
            raise access_error(file, "read", error) from error
    lines = "".join(f"{name} {hashes[name]}\n" for name in sorted(hashes))
    return OpenedGpt2(digest(lines.encode()), shape, vocabulary.tokenizer, decoder)


def _shape_of(content: bytes, where: Path) -> Gpt2Shape:
    try:
        config = decode_json(content, dict[str, Any])
    except msgspec.DecodeError as error:
        raise WeightsError(f"{where} is not the configuration of a model: {error}.") from None
    kind = config.get("model_type")
    if kind != "gpt2":
        raise WeightsError(f"{where}, model_type: {shown(kind)} is not known; only gpt2 can be fine-tuned.")
    activation = config.get("activation_function", "gelu_new")
    if activation not in _GPT2_ACTIVATIONS:
        raise WeightsError(
            f"{where}, activation_function: {shown(activation)} must be {' or '.join(_GPT2_ACTIVATIONS)}."
        )
    usual = {
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
    }
    for name, value in usual.items():
        if config.get(name, value) is not value:
            raise WeightsError(f"{where}, {name}: {shown(config[name])} must be {str(value).lower()}, as of a GPT-2.")
    try:
        return converted({name: config[name] for name in Gpt2Shape.__struct_fields__ if name in config}, Gpt2Shape)
    except msgspec.ValidationError as error:
        raise WeightsError(f"{where} has a shape that cannot be: {error}.") from None


def _homes(folder: Path) -> tuple[dict[str, Path] | None, list[Path]]:
    """Return the file of each tensor, None where there is only one file; and the files."""
    if (folder / WEIGHTS).exists():
        return None, [folder / WEIGHTS]
    where = folder / INDEX
    if not where.exists():
        pickles = sorted(file.name for pattern in _PICKLES for file in folder.glob(pattern))
        if pickles:
            raise WeightsError(
                f"{folder / pickles[0]} is a pickle, which can run any program when it is opened, so it is never "
                f"opened. Save the model as safetensors: model.save_pretrained(folder, safe_serialization=True)."
            )
        raise NotFoundError(f"{folder} has neither {WEIGHTS} nor {INDEX}.")
    try:
        homes = decode_json(_json_of(where), _Index).weight_map
    except msgspec.DecodeError as error:
        raise WeightsError(f"{where} is no index of shards: {error}.") from None
    for name in homes.values():
        if Path(name).name != name or "\0" in name or not name.endswith(".safetensors"):
            raise WeightsError(f"{where}, weight_map: {shown(name)} must be a file of safetensors in this folder.")
    files = sorted(set(homes.values()))
    if not 1 <= len(files) <= _MAX_SHARDS:
        raise WeightsError(f"{where}, weight_map: it names {len(files):,} files; it must name 1 to {_MAX_SHARDS:,}.")
    return {tensor: folder / name for tensor, name in homes.items()}, [folder / name for name in files]


def _filled(shape: Gpt2Shape, order: list[int], homes: dict[str, Path] | None, files: list[Path]) -> Gpt2:
    with torch.device("meta"):
        decoder = Gpt2(shape, dropout=0.0)
    wanted = decoder.state_dict()
    found: dict[str, Tensor] = {}
    output: tuple[Tensor, str] | None = None
    with ExitStack() as opened:
        for file in files:
            try:
                tensors = opened.enter_context(safe_open(file, framework="pt"))
                names = sorted(tensors.keys())
            except (SafetensorError, OSError) as error:
                raise WeightsError(f"{file} holds no weights: {error}.") from None
            for name in names:
                where = f"{file}, {name[:_LONGEST_NAME]}"
                if homes is not None and homes.get(name) != file:
                    raise WeightsError(f"{where}: {INDEX} does not place this tensor in this file.")
                plain = name.removeprefix(_PREFIX)
                if _MASKS.fullmatch(plain):
                    continue
                if plain == "lm_head.weight":
                    output = (_read(tensors, name, wanted["embedding.weight"].shape, where), where)
                    continue
                own, is_turned = _own_name(plain)
                if own not in wanted or own in found:
                    raise WeightsError(f"{where}: a GPT-2 of this shape has no such tensor, or has it twice.")
                expected = wanted[own].shape
                tensor = _read(tensors, name, expected[::-1] if is_turned else expected, where)
                found[own] = tensor.T.contiguous() if is_turned else tensor
    for own in wanted:
        if own not in found:
            raise WeightsError(f"{files[0].parent} lacks a tensor: {_their_name(own)}.")
    if output is not None and not torch.equal(output[0], found["embedding.weight"]):
        raise WeightsError(f"{output[1]}: the output is not tied to wte.weight, as that of a GPT-2 is.")
    found["embedding.weight"] = found["embedding.weight"][order]
    decoder.load_state_dict(found, strict=True, assign=True)
    return decoder


def _read(tensors: Any, name: str, expected: torch.Size, where: str) -> Tensor:
    """Read a tensor whose shape was looked at before."""
    found = tensors.get_slice(name)
    if found.get_shape() != list(expected):
        raise WeightsError(f"{where}: its shape is {found.get_shape()}; {GPT2_CONFIG} says {list(expected)}.")
    if found.get_dtype() not in _DTYPES:
        raise WeightsError(f"{where}: its type is {found.get_dtype()}; it must be one of {', '.join(_DTYPES)}.")
    tensor: Tensor = tensors.get_tensor(name)
    if not bool(torch.isfinite(tensor).all()):
        raise WeightsError(f"{where}: it holds a value that is no finite number.")
    return tensor.float()


def _own_name(theirs: str) -> tuple[str, bool]:
    """Return our name of a tensor, and whether it is stored transposed."""
    fixed = {"wte": "embedding", "wpe": "positions", "ln_f": "norm"}
    stem, _, last = theirs.rpartition(".")
    if stem in fixed:
        return f"{fixed[stem]}.{last}", False
    head, _, rest = stem.partition(".")
    number, _, part = rest.partition(".")
    if head != "h" or part not in _LAYER:
        return "", False
    return f"layers.{number}.{_LAYER[part]}.{last}", last == "weight" and ".c_" in part


def _their_name(own: str) -> str:
    names = {"embedding": "wte", "positions": "wpe", "norm": "ln_f"}
    first, _, rest = own.partition(".")
    if first in names:
        return f"{names[first]}.{rest}"
    number, _, stem = rest.partition(".")
    part, _, last = stem.rpartition(".")
    return f"h.{number}.{next(theirs for theirs, ours in _LAYER.items() if ours == part)}.{last}"


def _require_header(file: Path) -> None:
    try:
        with open_plain(file) as stream:
            size = int.from_bytes(stream.read(8), "little")
    except OSError as error:
        raise access_error(file, "read", error) from error
    if size > _MAX_HEADER_BYTES:
        raise WeightsError(f"{file}: its header has {size:,} bytes; it has at most {_MAX_HEADER_BYTES:,}.")


def _json_of(path: Path) -> bytes:
    content = _content_of(path, _MAX_JSON_BYTES)
    if len(content) > _MAX_JSON_BYTES:
        raise WeightsError(f"{path} has more than {_MAX_JSON_BYTES:,} bytes, the most that it may have.")
    return content


def _content_of(path: Path, most: int) -> bytes:
    try:
        return read_file(path, most=most)
    except FileNotFoundError:
        raise NotFoundError(f"{path} is missing; the folder of a GPT-2 has it.") from None
    except OSError as error:
        raise access_error(path, "read", error) from error
