"""Documents of an artifact that are nested too deeply, or are no text: refused or named, never an internal error."""

import msgspec
import pytest

from core.files import digest
from core.registry.card import CARD_NAME, RegistrationCard
from core.registry.contents import read_object
from core.registry.errors import ArtifactRefusedError
from core.registry.manifest import MANIFEST_NAME, check
from core.tables import TableError
from core.tables.signature import TableSignature

DEEP = b'{"a":' + b"[" * 200_000
NOT_TEXT = b'{"a":"\xff"}'


@pytest.mark.parametrize("reads", [True, False], ids=["tried", "not tried"])
@pytest.mark.parametrize("name", ["model.json", "report.json", "signature.json", "environment.json"])
def test_a_document_nested_too_deeply_is_refused(registry, source, ana, name, reads):
    (source / name).write_bytes(DEEP)
    with pytest.raises(
        ArtifactRefusedError, match=rf"^{name} cannot be read: it is nested too deeply\. Nothing was registered\.$"
    ):
        registry.register("spread", source, metrics={}, lineage={}, gates=(), actor=ana, reads=reads)
    assert registry.versions() == []


@pytest.mark.parametrize("content", [DEEP, NOT_TEXT], ids=["deep", "no text"])
def test_a_document_that_is_none_counts_as_missing(source, content):
    (source / "report.json").write_bytes(content)
    assert read_object(source / "report.json") == {}


@pytest.mark.parametrize("content", [DEEP, NOT_TEXT], ids=["deep", "no text"])
def test_a_signature_that_is_none_is_named(source, content):
    (source / "signature.json").write_bytes(content)
    with pytest.raises(TableError, match=r"signature\.json"):
        TableSignature.read(source)


@pytest.mark.parametrize("content", [DEEP, NOT_TEXT], ids=["deep", "no text"])
def test_a_manifest_that_is_none_is_named(source, content):
    (source / MANIFEST_NAME).write_bytes(content)
    assert check(source, digest(content)) == [f"{MANIFEST_NAME} is not a manifest"]


@pytest.mark.parametrize("content", [DEEP, NOT_TEXT], ids=["deep", "no text"])
def test_a_card_that_is_none_is_told_from_a_bug(source, content):
    (source / CARD_NAME).write_bytes(content)
    with pytest.raises(msgspec.DecodeError):
        RegistrationCard.read(source)


def test_a_folder_without_a_record_and_with_such_a_manifest_is_left(registry, workspace, ana):
    folder = workspace.artifacts_dir / "spread" / "1.0.0"
    folder.mkdir(parents=True)
    (folder / MANIFEST_NAME).write_bytes(DEEP)
    (left,) = registry.sweep(ana).left
    assert left.startswith("spread/1.0.0: ")
