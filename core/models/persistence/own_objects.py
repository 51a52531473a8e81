"""Objects of a user's own class as files: by skops with an explicit list of trusted types, or by its `save` and `load`.

No pickle is written or read. A class whose objects skops cannot write safely says so at its first save, which is the
first checkpoint, and not when a version is loaded.
"""

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from core.files import write_file
from core.models.errors import ArtifactError
from core.models.persistence.archive import HEADER
from core.models.persistence.skops_files import TRUSTED_TYPES, dump_estimator
from core.plain_files import read_file

SKOPS_FILE = "model.skops"
PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".dill"})


def type_name(kind: type) -> str:
    """Spell a class as skops does."""
    return f"{kind.__module__}.{kind.__qualname__}"


def saves_itself(kind: type) -> bool:
    """Whether a class brings its own `save` and `load`."""
    return callable(getattr(kind, "save", None)) and callable(getattr(kind, "load", None))


def dump_own(model: str, thing: Any) -> dict[str, bytes]:
    """Return the files of an object of a user's class.

    Raises:
        ArtifactError: Its own `save` wrote something else than plain files, or skops cannot write it without untrusted
            types; the message names the cure.
    """
    kind = type(thing)
    if saves_itself(kind):
        return _saved(model, thing)
    try:
        content = dump_estimator(thing)
        untrusted = _untrusted(content, kind)
    except Exception as error:  # skops passes on any error of an object that it cannot write
        raise ArtifactError(f"{model} cannot be saved by skops: {error}. Give {kind.__name__} {_CURE}.") from error
    if untrusted:
        raise ArtifactError(
            f"{model} contains types that are not loaded without being trusted: {', '.join(untrusted)}. Name them in "
            f"{kind.__name__}.trusted if they are yours and harmless, or give it {_CURE}."
        )
    return {SKOPS_FILE: content}


def load_own(model: str, kind: type, files: Mapping[str, bytes]) -> Any:
    """Read an object that `dump_own` wrote.

    Raises:
        ArtifactError: The files are damaged, or contain another class or an untrusted type.
    """
    if saves_itself(kind):
        return _loaded(model, kind, files)
    import skops.io

    content = files.get(SKOPS_FILE)
    if content is None:
        raise ArtifactError(f"the artifact of {model} has no {SKOPS_FILE}")
    try:
        if untrusted := _untrusted(content, kind):
            raise ArtifactError(f"{SKOPS_FILE} of {model} contains types we do not load: {', '.join(untrusted)}")
        _require_root(content, kind)
        return skops.io.loads(content, trusted=_trusted(kind))
    except ArtifactError:
        raise
    except Exception as error:  # skops passes on any error of its readers on damaged input
        raise ArtifactError(f"{SKOPS_FILE} of {model} is damaged: {error}") from error


_CURE = "a method save(folder) and a class method load(folder)"


def _trusted(kind: type) -> list[str]:
    return [*TRUSTED_TYPES, type_name(kind), *map(str, getattr(kind, "trusted", ()))]


def _untrusted(content: bytes, kind: type) -> list[str]:
    import skops.io

    return sorted(set(skops.io.get_untrusted_types(data=content)) - set(_trusted(kind)))


def _require_root(content: bytes, kind: type) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        root: Mapping[str, Any] = json.loads(archive.read("schema.json"))
    found = f"{root.get('__module__')}.{root.get('__class__')}"
    if found != type_name(kind):
        raise ArtifactError(f"{SKOPS_FILE} contains a {found}, not a {type_name(kind)}")


def _saved(model: str, thing: Any) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        thing.save(folder)
        for path in sorted(folder.iterdir()):
            if PurePosixPath(path.name).suffix.lower() in PICKLES:
                raise ArtifactError(f"save() of {model} wrote {path.name}, a pickle, which is code; write plain data.")
            if path.is_symlink() or not path.is_file() or path.name == HEADER:
                raise ArtifactError(
                    f"save() of {model} wrote {path.name}; it must write plain files directly in its folder, under "
                    f"other names than {HEADER}."
                )
            files[path.name] = read_file(path)
    if not files:
        raise ArtifactError(f"save() of {model} wrote no file.")
    return files


def _loaded(model: str, kind: type, files: Mapping[str, bytes]) -> Any:
    with tempfile.TemporaryDirectory() as name:
        for file, content in files.items():  # `read_model` has checked that each is a name in its own folder
            write_file(Path(name) / file, content, durable=False)
        thing = kind.load(Path(name))  # type: ignore[attr-defined]  # `saves_itself`
    if not isinstance(thing, kind):
        raise ArtifactError(f"load() of {model} returned a {type(thing).__name__}, not a {kind.__name__}")
    return thing
