"""Export of a version for other servers: a file of ONNX, or the folder from which Triton, MLServer and KServe serve it,
or TensorFlow Serving.

The answers of the file are compared with the version's own before anything is written.
"""

from enum import StrEnum
from pathlib import Path

import msgspec

from core.domains.catalogue import load_model
from core.errors import UsageError
from core.escape import shown
from core.explain.deny_list import DenyList
from core.files import FolderInUseError, digest, is_occupied, write_folder
from core.interop.kserve_layout import default_storage, require_storage, write_layout
from core.interop.onnx_model import OnnxInput, require_onnx, written_onnx
from core.interop.onnx_parity import AnsweredFeeds, Parity, answers_of_onnx, compare
from core.interop.saved_model import number_to_serve, require_tensorflow, saved_model_of, write_repository
from core.monitoring.estimation.held_out import HELD_OUT_NAME, HeldOutRows
from core.output_files import require_new_output, require_output, write_new_output
from core.progress import begins
from core.protection import key_of
from core.protection.pseudonyms import Pseudonyms
from core.registry import ModelVersion, Registry, Stage
from core.settings import settings_in_force
from core.state import Workspace


class VersionFormat(StrEnum):
    """What a version is exported as."""

    ONNX = "onnx"
    KSERVE = "kserve"
    SAVED_MODEL = "saved-model"


class ExportedVersion(msgspec.Struct, frozen=True, kw_only=True):
    """An exported version.

    Attributes:
        out: The file, or the folder.
        onnx_sha256: The hash of the file of ONNX, from which the others are made.
        n_bytes: The size of the model in the form in which it was written.
        inputs: Its inputs.
        parity: How its answers were compared with the version's.
        pseudonyms: The inputs that are pseudonyms, by the key of the workspace, and no values.
    """

    model: str
    version: str
    format: VersionFormat
    out: str
    onnx_sha256: str
    n_bytes: int
    inputs: tuple[OnnxInput, ...]
    parity: Parity
    pseudonyms: tuple[str, ...] = ()


def export_version(
    workspace: Workspace,
    model: str,
    version: str,
    out: Path,
    *,
    format: VersionFormat = VersionFormat.ONNX,  # noqa: A002
    storage_uri: str | None = None,
) -> ExportedVersion:
    """Write a version for other servers: whole or not at all, and the same bytes for the same version.

    Args:
        workspace: Where it is registered.
        model: Its model.
        version: Its number.
        out: The file of ONNX, or the folder; it must be new, or an empty folder.
        format: What to write.
        storage_uri: Where KServe will find the folder `models`; by default in the claim `bondx-models`.
    Raises:
        UsageError: The extra is not installed, the place cannot be used, a part of the model has no form in ONNX, or
            it reads a category whose levels must not be shown and there is no key of pseudonyms, or the version has no
            number for TensorFlow Serving.
        ParityError: The file answers a row otherwise than the version.
        RefusedError: The place is in a workspace.
        HashMismatchError: The files of the version are not those that were registered.
        FolderInUseError: The folder is not empty.
        FileAccessError: The place cannot be written; nothing is left of it.
    """
    if storage_uri is not None:
        if format is not VersionFormat.KSERVE:
            raise UsageError("--storage-uri goes with --format kserve: nothing else that is written names a storage.")
        require_storage(storage_uri)
    if format is VersionFormat.ONNX:
        require_new_output(out)
    else:
        require_output(out)
        if is_occupied(out):
            raise FolderInUseError(out)
    require_onnx("saved-model" if format is VersionFormat.SAVED_MODEL else "onnx")
    registry = Registry(workspace)
    found = registry.get(model, version)
    if format is VersionFormat.SAVED_MODEL:
        require_tensorflow()
        number_to_serve(found.version)
    notes = {
        "bondx.model": found.model,
        "bondx.version": found.version,
        "bondx.manifest_sha256": found.manifest_sha256,
    }
    with registry.opened(found.model, found.version) as folder:
        begins("writing the model as ONNX")
        names = LevelsAsExported(workspace, found.key)
        written = written_onnx(load_model(folder), notes, names.spelled)
        held_out = HeldOutRows.read(folder, found.key).rows if (folder / HELD_OUT_NAME).exists() else None
    content = written.onnx.content
    denied = DenyList.of_cells_in_force(workspace.root)

    def compared(form: str, answers: AnsweredFeeds) -> Parity:
        begins(f"comparing the answers of the {form} with the version's")
        of_version = written.scored, written.fields, held_out, written.splits
        return compare(answers, *of_version, denied=denied, spelled=names.spelled, form=form)

    parity = compared("ONNX file", answers_of_onnx(content))
    if format is VersionFormat.SAVED_MODEL:
        begins("writing it as a SavedModel")
        saved = saved_model_of(written.onnx)
        parity = compared("SavedModel", saved.answers)
        content = saved.content
    named = {"model": found.model, "version": found.version}
    if format is VersionFormat.ONNX:
        write_new_output(out, content)
    elif format is VersionFormat.KSERVE:
        storage = storage_uri or default_storage(found.model, found.version)
        facts = named | {"manifest_sha256": found.manifest_sha256, "storage_uri": storage}
        write_folder(out, lambda place: write_layout(place, written.onnx, **facts))
    else:
        labels = _labels(registry, found)
        write_folder(out, lambda place: write_repository(place, saved, **named, labels=labels))
    return ExportedVersion(
        model=found.model,
        version=found.version,
        format=format,
        out=str(out),
        onnx_sha256=digest(written.onnx.content),
        n_bytes=len(content),
        inputs=written.onnx.inputs,
        parity=parity,
        pseudonyms=tuple(field.name for field in written.fields if field.name in names.columns),
    )


class LevelsAsExported:
    """How an exported file writes the levels of a version: those of columns without values to show as pseudonyms.

    Attributes:
        columns: The columns of which pseudonyms were written.
    """

    def __init__(self, workspace: Workspace, key: str) -> None:
        """Begin with the settings of a workspace; the key of pseudonyms is read when the first one is written."""
        settings = settings_in_force(workspace.root)
        self._denied, self._settings = DenyList.of(settings.explanation), settings.protection
        self._root, self._version = workspace.root, key
        self._pseudonyms: Pseudonyms | None = None
        self.columns = set[str]()

    def spelled(self, column: str, level: str) -> str:
        """Return how the file writes a level.

        Raises:
            UsageError: A pseudonym is wanted, and the settings name no key.
            KeySourceError: The key cannot be read.
        """
        if not self._denied.hides_values(column):
            return level
        if self._pseudonyms is None:
            if (key := key_of(self._settings, self._root)) is None:
                raise UsageError(
                    f"{self._version} reads {shown(column)}, whose values must not be shown, and the file would hold "
                    "its levels. Name a key of pseudonyms (protection.key_file, key_env or key_command): the file "
                    "then reads pseudonyms, as bondx data anonymise writes them with the same key."
                )
            self._pseudonyms = Pseudonyms(key)
        self.columns.add(column)
        return self._pseudonyms.of(level, column) or level


def _labels(registry: Registry, version: ModelVersion) -> tuple[str, ...]:
    """Return the names by which callers of a server choose a version: the stage of a live one, and its aliases."""
    stages = [version.stage.lower()] if version.stage in (Stage.STAGING, Stage.PRODUCTION) else []
    aliases = [alias for alias, number in registry.aliases(version.model).items() if number == version.version]
    return tuple(dict.fromkeys([*stages, *sorted(aliases)]))
