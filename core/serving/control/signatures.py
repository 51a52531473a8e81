"""What a version reads and answers, over HTTP."""

from functools import partial
from typing import Self

import msgspec
from litestar import Controller, get
from litestar.params import FromPath

from core.explain.deny_list import DenyList
from core.models.scoring.fields import Field, fields_of
from core.registry import Registry
from core.registry.language_models import is_language_model
from core.serving.control.admission import LOOK, Given
from core.serving.errors import UnavailableError
from core.serving.signature import ServingSignature, TextSignature
from core.serving.table import ServingTable
from core.state import Workspace
from core.tables.signature import TableSignature


class VersionSignature(msgspec.Struct, frozen=True, kw_only=True):
    """The fields of a request, and the answer to a row."""

    fields: tuple[Field, ...]  # in the order of a matrix or of positional instances
    output: str
    shape: tuple[int, ...]  # of the answers; -1 is the number of rows
    unit: str = ""
    classes: tuple[str, ...] = ()  # in the order of the probabilities; of two classes, the second's is answered
    writes_texts: bool = False  # a model of language: a prompt becomes texts, at /api/v1/generate/MODEL

    @classmethod
    def of(cls, signature: ServingSignature) -> Self:
        """Describe a signature."""
        return cls(
            fields=signature.described_fields,
            output=signature.output,
            shape=tuple(signature.output_shape),
            unit=signature.unit,
            classes=signature.classes,
            writes_texts=signature.writes_texts,
        )


class SignatureRoutes(Controller):
    """Signatures of versions."""

    path = "/models"
    tags = ["registry"]

    @get("/{model:str}/versions/{version:str}/signature", opt=LOOK, sync_to_thread=True)
    def get_signature(
        self, workspace: Given[Workspace], table: Given[ServingTable], model: FromPath[str], version: FromPath[str]
    ) -> VersionSignature:
        """Return what a version reads and answers, with the names of its classes."""
        found = Registry(workspace).get(model, version)
        served = table.models.get(model)
        if served is not None and (loaded := served.versions.get(version)) is not None:
            return VersionSignature.of(loaded.signature)
        if is_language_model(found):
            return VersionSignature.of(TextSignature())
        described = TableSignature.read(workspace.artifacts_dir / found.path)
        if described is None:
            raise UnavailableError(f"{model} {version} is not loaded; a predict request to it loads it.")
        signature = ServingSignature(fields_of(described))
        signature.classes = described.classes
        signature.denied = partial(DenyList.in_force, workspace.root)
        return VersionSignature.of(signature)
