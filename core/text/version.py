"""A trained model as the files of a registered version: whole in itself, with adapters merged into their base."""

from pathlib import Path
from typing import Any

import msgspec

from core.files import digest, write_file
from core.json_documents import decode_json
from core.models.errors import ArtifactError
from core.models.persistence.archive import KIND, TEXT, read_header, read_model, write_model
from core.tables.signature import SIGNATURE_NAME, TEXT_TASK
from core.text.model_folder import (
    TOKENIZER,
    WEIGHTS,
    TextModel,
    TextModelManifest,
    open_model,
    spell_model,
)
from core.text.prompt_reference import PromptReference, read_prompt_reference, spell_prompt_reference
from core.text.tokenizers import read_tokenizer, spell_tokenizer
from core.text.torch_extra import require_torch

DESCRIPTION, PROMPTS = "text.json", "prompts.json"
_SIGNATURE: dict[str, Any] = {
    "task": TEXT_TASK,
    "inputs": [{"name": "prompt", "type": "string"}],
    "outputs": [{"name": "text", "type": "string"}],
}


def write_text_version(opened: TextModel, folder: Path, prompts: PromptReference | None = None) -> None:
    """Write a trained model as the files of a version, which need neither its base nor any other file.

    Args:
        opened: The model.
        folder: An empty folder.
        prompts: What its prompts are compared with, if anything.
    """
    weights, tokenizer = spell_model(opened.model), spell_tokenizer(opened.tokenizer)
    settings = opened.manifest.settings
    files = {name: _name(getattr(settings, name)) for name in ("corpus", "base", "teacher")}
    settings = msgspec.structs.replace(settings, **files, lora_rank=0)
    manifest = msgspec.structs.replace(
        opened.manifest,
        settings=settings,
        tokenizer_sha256=digest(tokenizer),
        weights_sha256=digest(weights),
    )
    described = msgspec.json.format(msgspec.json.encode(manifest)) + b"\n"
    contents = {DESCRIPTION: described, TOKENIZER: tokenizer, WEIGHTS[manifest.architecture]: weights}
    if prompts is not None:
        contents[PROMPTS] = spell_prompt_reference(prompts)
    write_model(folder, {KIND: TEXT, "architecture": manifest.architecture}, contents)
    signature = msgspec.json.format(msgspec.json.encode(_SIGNATURE), indent=2) + b"\n"
    write_file(folder / SIGNATURE_NAME, signature, durable=False)


def is_text_version(folder: Path) -> bool:
    """Return whether the files of a version are those of a model of language.

    Raises:
        ArtifactError: Its header cannot be read.
    """
    return read_header(folder).get(KIND) == TEXT


def open_text_version(folder: Path) -> TextModel:
    """Open the files of a version.

    Raises:
        ArtifactError: They are no model of language, or damaged.
        MissingTorchError: It is a decoder, and the extra is not installed.
        UsageError: The weights or the tokenizer are not those of such a model.
    """
    header, files = read_model(folder)
    try:
        manifest = decode_json(files[DESCRIPTION], TextModelManifest)
        tokenizer, weights = files[TOKENIZER], files[WEIGHTS[manifest.architecture]]
    except (KeyError, msgspec.DecodeError) as error:
        raise ArtifactError(f"{folder} holds no model of language that can be read: {error}") from None
    if header.get(KIND) != TEXT or (manifest.gpt2 is None) != (manifest.architecture != "gpt2"):
        raise ArtifactError(f"{folder} holds no model of language that can be read: its parts do not belong together")
    if manifest.architecture != "ngram":
        require_torch()
    words = read_tokenizer(tokenizer, folder / TOKENIZER)
    model = open_model(manifest, words, weights, folder / WEIGHTS[manifest.architecture])
    prompts = read_prompt_reference(files[PROMPTS], folder / PROMPTS) if PROMPTS in files else None
    return TextModel(manifest, words, model, prompts)


def _name(path: str) -> str:
    """Return the name of a file without its folders, which are of one machine alone."""
    return Path(path).name if path else ""
