"""A trained model in a folder: what it is (`model.json`), its tokenizer, and its weights; every file by its hash."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from core.errors import CoreError, NotFoundError, RefusedError, UsageError
from core.files import access_error, digest, make_folder, remove_file, sha256_of, write_file
from core.home_paths import at_home
from core.json_documents import decode_json
from core.lock_files import locked_within, open_lock, unlock
from core.output_files import require_output
from core.plain_files import read_file
from core.settings.text_model import TextModelSettings
from core.text.gpt2_shape import GPT2_CONFIG, Gpt2Shape
from core.text.language_model import LanguageModel
from core.text.ngrams import NgramModel
from core.text.prompt_reference import PromptReference
from core.text.sampling import banner_of
from core.text.tokenizers import Tokenizer, read_tokenizer, spell_tokenizer

MANIFEST, TOKENIZER, CHECKPOINT = "model.json", "tokenizer.json", "checkpoint.safetensors"
ADAPTERS, SPEED = "adapters.safetensors", "speed.json"
LOCK = "training.lock"
"""Held by the process that fills the folder; a training that was killed leaves the file behind."""
WEIGHTS = {"ngram": "ngrams.npz", "decoder": "weights.safetensors", "gpt2": "weights.safetensors"}
_FORMAT = 1
_SPELLING = ("tokenizer", "vocab_size")
_SHAPE = (*_SPELLING, "embedding_dim", "hidden_dim", "num_heads", "num_layers", "max_length")
_MAX_MANIFEST_BYTES = 4 * 1024 * 1024


class CurvePoint(msgspec.Struct, frozen=True):
    """One evaluation while a model trained.

    Attributes:
        step: After which step.
        training_nats: Mean loss a token of the steps since the evaluation before.
        validation_nats: Mean loss a token of the validation documents.
    """

    step: int
    training_nats: float
    validation_nats: float


class TextModelManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder holds.

    Attributes:
        format: Of the folder.
        architecture: "decoder", "gpt2" or "ngram".
        settings: What it was, or is being, trained with.
        corpus_sha256: Of the documents that it learns from.
        tokenizer_sha256: Of its tokenizer.
        weights_sha256: Of its weights; empty while it trains.
        curve: The evaluations of its training.
        floor_nats: The least loss a token on the validation documents; None where nobody knows it.
        base_sha256: Of the model that is fine-tuned, with all its files; empty: none.
        gpt2: The shape of a GPT-2.
        precision: Of the linear layers of a decoder.
        source_sha256: Of the `model.json` that a smaller model was made of; empty: it was trained.
        teacher_sha256: Of the model that it learns from, with all its files; empty: none.
    """

    format: int = _FORMAT
    architecture: str
    settings: TextModelSettings
    corpus_sha256: str
    tokenizer_sha256: str
    weights_sha256: str = ""
    curve: tuple[CurvePoint, ...] = ()
    floor_nats: float | None = None
    base_sha256: str = ""
    gpt2: Gpt2Shape | None = None
    precision: Literal["float32", "int8"] = "float32"
    source_sha256: str = ""
    teacher_sha256: str = ""

    @property
    def weights_name(self) -> str:
        """The file of the weights: of the adapters alone, where there are some."""
        return ADAPTERS if self.settings.lora_rank else WEIGHTS[self.architecture]


@dataclass(frozen=True, slots=True)
class TextModel:
    """A trained model, ready to weigh and to write.

    Attributes:
        manifest: What it is.
        tokenizer: Its tokenizer.
        model: The model.
        prompts: What its prompts are compared with; None of a folder, and of versions of earlier releases.
    """

    manifest: TextModelManifest
    tokenizer: Tokenizer
    model: LanguageModel
    prompts: PromptReference | None = None

    @property
    def banner(self) -> str:
        """The notice about what it writes."""
        return banner_of(msgspec.structs.asdict(self.manifest.settings))


class ModelFolder:
    """The folder of one model."""

    def __init__(self, path: Path) -> None:
        """Name it; it need not exist."""
        self.path = path

    @property
    def checkpoint(self) -> Path:
        """Where an interrupted training goes on from."""
        return self.path / CHECKPOINT

    @contextmanager
    def filled(self, manifest: TextModelManifest, tokenizer: Tokenizer) -> Iterator[None]:
        """Create the folder for a model that is about to be trained, or find it as an interrupted training left it.

        No other process fills it meanwhile.

        Raises:
            UsageError: It is a link.
            RefusedError: It is in a workspace, holds a trained model, another model, or other files, or another process
                fills it.
            FileAccessError: It cannot be written.
        """
        self._is_begun(manifest)  # before anything is written
        make_folder(self.path)
        try:
            lock = open_lock(self.path / LOCK)
        except OSError as error:
            raise access_error(self.path / LOCK, "write", error) from error
        try:
            if not locked_within(lock, 0, pause_seconds=0):
                raise RefusedError(
                    f"Another process is writing a model into {self.path}. Wait for its end, or name another folder."
                )
            if not self._is_begun(manifest):
                self._write(manifest)  # first: by it an interrupted training knows its folder
            if not (self.path / TOKENIZER).exists():  # also where it was killed in between
                write_file(self.path / TOKENIZER, spell_tokenizer(tokenizer))
            yield
            remove_file(self.path / LOCK)
        finally:
            unlock(lock)

    def _is_begun(self, manifest: TextModelManifest) -> bool:
        """Return whether the folder holds the unfinished training of this model; raises as `filled` does."""
        require_output(self.path)
        if (self.path / MANIFEST).exists():
            found = self.manifest()
            if found.weights_sha256:
                raise RefusedError(
                    f"{self.path} holds a trained model already. Name another folder, or remove this one."
                )
            if msgspec.structs.replace(found, curve=(), weights_sha256="") != manifest:
                raise RefusedError(
                    f"{self.path} holds the unfinished training of another model: other settings or documents. Name "
                    "another folder, or remove this one."
                )
            return True
        if not self._is_empty():
            raise RefusedError(f"{self.path} is not empty. Name another folder, or empty this one.")
        return False

    def _is_empty(self) -> bool:
        return not self.path.exists() or all(each.name == LOCK for each in self.path.iterdir())

    def _no_model(self) -> NotFoundError:
        """Say that it holds no model, and offer to make one where training would not refuse the folder."""
        try:
            require_output(self.path)
            may_be_filled = self._is_empty()
        except (CoreError, OSError):
            may_be_filled = False
        to_do = f"bondx text train --out {self.path} makes one" if may_be_filled else "name the folder of a trained one"
        return NotFoundError(f"{self.path} holds no text model; {to_do}.")

    def finish(self, manifest: TextModelManifest, weights: bytes, curve: Sequence[CurvePoint]) -> TextModelManifest:
        """Keep the weights; from here on the model is trained."""
        hashed = write_file(self.path / manifest.weights_name, weights)
        done = msgspec.structs.replace(manifest, weights_sha256=hashed, curve=tuple(curve))
        self._write(done)
        remove_file(self.checkpoint)
        return done

    def note_speed(self, step: int, tokens_per_second: float) -> None:
        """Keep the speed of training, which is no part of the model: it differs from time to time."""
        speeds = {**self.speeds(), step: tokens_per_second}
        write_file(self.path / SPEED, msgspec.json.encode(speeds), durable=False)

    def speeds(self) -> dict[int, float]:
        """Return the tokens a second at each evaluation; empty where nobody can tell."""
        try:
            return decode_json(read_file(self.path / SPEED), dict[int, float])
        except (OSError, msgspec.DecodeError):
            return {}

    def manifest(self) -> TextModelManifest:
        """Return what the folder holds.

        Raises:
            NotFoundError: It holds no model.
            UsageError: Its manifest cannot be read.
        """
        path = self.path / MANIFEST
        try:
            content = read_file(path, most=_MAX_MANIFEST_BYTES)
        except FileNotFoundError:
            raise self._no_model() from None
        except OSError as error:
            raise access_error(path, "read", error) from error
        if len(content) > _MAX_MANIFEST_BYTES:
            raise UsageError(f"{path} has more than {_MAX_MANIFEST_BYTES:,} bytes, the most that it may have.")
        try:
            found = decode_json(content, TextModelManifest)
        except msgspec.DecodeError as error:
            raise UsageError(f"{path} describes no text model: {error}.") from None
        if (
            found.format != _FORMAT
            or found.architecture not in WEIGHTS
            or (found.gpt2 is None) != (found.architecture != "gpt2")
        ):
            raise UsageError(f"{path} has the format {found.format} and the architecture {found.architecture!r}.")
        if found.settings.lora_rank and not found.base_sha256:
            raise UsageError(f"{path}: base_sha256 is empty; adapters fit only the base that they were trained on.")
        return found

    def load(self) -> TextModel:
        """Open the trained model.

        Raises:
            NotFoundError: It holds no model.
            RefusedError: Its training is not finished, or a file is not the one that was written.
            MissingTorchError: It is a decoder, and the extra is not installed.
        """
        manifest = self.manifest()
        if not manifest.weights_sha256:
            raise RefusedError(f"The training in {self.path} is not finished; start it again, and it goes on.")
        tokenizer = read_tokenizer(self._hashed(TOKENIZER, manifest.tokenizer_sha256), self.path / TOKENIZER)
        name = manifest.weights_name
        if manifest.architecture != "ngram":
            from core.text.torch_extra import require_torch

            require_torch()
        weights = self._hashed(name, manifest.weights_sha256)
        return TextModel(manifest, tokenizer, open_trained(manifest, tokenizer, weights, self.path))

    def _write(self, manifest: TextModelManifest) -> None:
        write_file(self.path / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")

    def _hashed(self, name: str, expected: str) -> bytes:
        path = self.path / name
        try:
            content = read_file(path)
        except OSError as error:
            raise access_error(path, "read", error) from error
        if digest(content) != expected:
            raise RefusedError(f"{path} is not the file that training wrote: its SHA-256 is not the one in {MANIFEST}.")
        return content


def open_trained(manifest: TextModelManifest, tokenizer: Tokenizer, weights: bytes, folder: Path) -> LanguageModel:
    """Read what a training has made; adapters are merged into their base.

    Args:
        manifest: What it is.
        tokenizer: Its tokenizer.
        weights: What its file holds.
        folder: Where that file is, for the errors.
    Raises:
        UsageError: They are not those of such a model.
        NotFoundError: A file of the base is missing.
        RefusedError: The base is not the one that the adapters were trained on.
    """
    name = manifest.weights_name
    if name != ADAPTERS:
        return open_model(manifest, tokenizer, weights, folder / name)
    from core.text.neural.weights import with_adapters

    base = open_base(at_home(manifest.settings.base), expected=manifest.base_sha256, adapters=folder)
    return with_adapters(base.model, weights, manifest.settings, folder / name)


def open_model(manifest: TextModelManifest, tokenizer: Tokenizer, weights: bytes, where: Path) -> LanguageModel:
    """Read the weights of a whole model, without adapters.

    Args:
        manifest: What it is.
        tokenizer: Its tokenizer.
        weights: What its file holds.
        where: That file, for the errors.
    Raises:
        UsageError: They are not those of such a model.
    """
    if manifest.architecture == "ngram":
        return NgramModel.from_bytes(weights, where)
    from core.text.neural.weights import open_decoder

    shape, is_int8 = manifest.gpt2, manifest.precision == "int8"
    return open_decoder(weights, manifest.settings, tokenizer.n_tokens, where, shape, is_int8=is_int8)


def spell_model(model: LanguageModel) -> bytes:
    """Return the weights of a model, those of adapters within them; the same weights give the same bytes."""
    if isinstance(model, NgramModel):
        return model.to_bytes()
    from core.text.neural.weights import DecoderModel, spell_weights

    assert isinstance(model, DecoderModel)
    return spell_weights(model.decoder.state_dict())


@dataclass(frozen=True, slots=True)
class TextBase:
    """A decoder that is fine-tuned, or that another one learns from.

    Attributes:
        sha256: Of all its files.
        tokenizer: Its tokenizer.
        model: A `DecoderModel`.
        shape: That of a GPT-2.
        settings: What it was trained with; None: it is from elsewhere.
        precision: Of its linear layers.
    """

    sha256: str
    tokenizer: Tokenizer
    model: Any
    shape: Gpt2Shape | None
    settings: TextModelSettings | None
    precision: str = "float32"

    def shaped(self, settings: TextModelSettings) -> TextModelSettings:
        """Return settings with the shape and the tokenizer of this base, where settings describe them."""
        return self._over(settings, _SHAPE)

    def spelling(self, settings: TextModelSettings) -> TextModelSettings:
        """Return settings with the tokenizer of this teacher, where settings describe it."""
        return self._over(settings, _SPELLING)

    def _over(self, settings: TextModelSettings, names: Sequence[str]) -> TextModelSettings:
        if self.settings is None:
            return settings
        return msgspec.structs.replace(settings, **{name: getattr(self.settings, name) for name in names})


def architecture_of_base(path: Path, role: str = "base") -> str:
    """Return what a base is, or a teacher.

    Raises:
        NotFoundError: There is no such folder, or it holds no model.
        UsageError: It is a model of n-grams, or cannot be read.
    """
    if not path.is_dir():
        raise NotFoundError(
            f"{path}, the {role}, is no folder: name a folder of `bondx text train`, or of a GPT-2, as {role}."
        )
    if not (path / MANIFEST).exists():
        if not (path / GPT2_CONFIG).exists():
            raise NotFoundError(f"{path}, the {role}, holds no model: it has neither {MANIFEST} nor {GPT2_CONFIG}.")
        return "gpt2"
    found = ModelFolder(path).manifest().architecture
    if found == "ngram":
        able = "teach" if role == "teacher" else "be fine-tuned"
        raise UsageError(f"{path} holds a model of n-grams; only a decoder can {able}.")
    return found


def open_base(path: Path, *, role: str = "base", expected: str = "", adapters: Path | None = None) -> TextBase:
    """Open a decoder to be fine-tuned, to teach another one, or to be merged with adapters.

    Args:
        path: A folder of `bondx text train`, or of a GPT-2 by Hugging Face.
        role: What it is to the model, for the errors: its base or its teacher.
        expected: The hash that it must have; empty: any.
        adapters: The folder whose base it is, for the errors.
    Raises:
        NotFoundError: A file is missing.
        RefusedError: It is not the base that is expected, or a file of it was changed.
        UsageError: It cannot be used.
    """
    architecture_of_base(path, role)
    if (path / MANIFEST).exists():
        folder = ModelFolder(path)
        manifest, sha256 = folder.manifest(), sha256_of(path / MANIFEST)
        _require_base(path, sha256, expected, adapters)
        opened = folder.load()
        shape, settings = manifest.gpt2, manifest.settings
        return TextBase(sha256, opened.tokenizer, opened.model, shape, settings, manifest.precision)
    from core.text.neural.hugging_face import open_gpt2
    from core.text.neural.weights import DecoderModel

    found = open_gpt2(path)
    _require_base(path, found.sha256, expected, adapters)
    return TextBase(found.sha256, found.tokenizer, DecoderModel(found.decoder), found.shape, None)


def _require_base(path: Path, sha256: str, expected: str, adapters: Path | None) -> None:
    if expected and sha256 != expected:
        raise RefusedError(
            f"{path} is not the base that the adapters in {adapters} were trained on: its SHA-256 is {sha256}, not "
            f"{expected}."
        )
