"""The provenance of a version is an in-toto statement that any program can check: its form, and its signature."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from console.cli.main import main
from core.api import MLOpsConfig, ModelRegistry
from core.errors import ExitCode
from core.evidence import EvidencePacks, encoded_record, is_signed_provenance, provenance_of, verify_pack
from core.evidence.signing import PROVENANCE
from core.files import digest
from core.registry import HashMismatchError, ModelVersion, Registry, VersionNotFoundError
from core.state import Workspace
from core.tracking import Runs, RunStatus
from core.training.sessions import Sessions
from tests.core.evidence.conftest import ANA

SHA256 = {"panel": "ab" * 32, "tax_id": "cd" * 32}
PACKAGES = {"bondx-console": "0.1.0", "numpy": "2.4.6"}


@pytest.fixture
def registered(demo: Workspace, tmp_path: Path) -> ModelVersion:
    """A version of a tracked run, one of whose columns may become denied, made from an earlier version."""
    source = tmp_path / "made"
    source.mkdir()
    (source / "weights.txt").write_text("1 2 3\n")
    environment = {"python": "3.11.7", "packages": PACKAGES, "optional_packages": {"torch": "2.9.0"}}
    (source / "environment.json").write_text(json.dumps(environment))
    registry, runs = Registry(demo), Runs(demo)
    run = runs.start(name="pricing", actor=ANA)
    first = registry.register("pricing", source, metrics={}, lineage={}, gates=(), actor=ANA)
    (source / "weights.txt").write_text("1 2 4\n")
    return registry.register(
        "pricing",
        source,
        metrics={"tax_id": 0.1},
        lineage={
            "data": {"panel": {"sha256": SHA256["panel"], "n_rows": 9}, "tax_id": SHA256["tax_id"], "word": "no hash"},
            "chosen": "linear",
            "random_seed": 42,
            "request": {"group": "tax_id", "keep": ["tax_id", "size"]},
        },
        gates=(),
        parents=[first.version],
        run_id=run.run_id,
        actor=ANA,
    )


@pytest.fixture
def key_made(demo: Workspace, described: str) -> None:
    EvidencePacks(demo).of_version("spread", described, actor=ANA)


def provenance(workspace: Workspace, version: ModelVersion) -> dict:
    return provenance_of(workspace, version.model, version.version)


def statement(workspace: Workspace, version: ModelVersion) -> dict:
    found = provenance(workspace, version)
    return json.loads(base64.b64decode(found["payload"])) if is_signed_provenance(found) else found


def verify(envelope: dict, key: Path) -> None:
    """Check an envelope as the protocol of DSSE says; raises InvalidSignature."""
    kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"])
    signed = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind.encode(), str(len(payload)).encode(), payload])
    (signature,) = envelope["signatures"]
    load_pem_public_key(key.read_bytes()).verify(base64.b64decode(signature["sig"]), signed)


def test_the_envelope_is_signed_by_the_key_of_the_workspace_over_type_and_payload(demo, registered, key_made, key):
    envelope = provenance(demo, registered)
    assert envelope["payloadType"] == "application/vnd.in-toto+json"
    verify(envelope, key)
    edited = base64.b64encode(base64.b64decode(envelope["payload"]).replace(b"linear", b"cubist")).decode()
    for change in ({"payload": edited}, {"payloadType": "application/json"}):
        with pytest.raises(InvalidSignature):
            verify(envelope | change, key)


def test_without_a_key_it_is_the_statement_alone_and_no_key_is_made(demo, registered, key, tmp_path, called):
    key.with_suffix(".key").unlink(missing_ok=True)
    found = provenance(demo, registered)
    assert (found["_type"], is_signed_provenance(found)) == ("https://in-toto.io/Statement/v1", False)
    assert not key.with_suffix(".key").exists()
    code, _, err = called(main, "registry", "provenance", "pricing", registered.version, "--workspace", demo.root)
    assert (code, "not signed" in err) == (ExitCode.GOOD, True)


def test_the_subjects_are_the_manifest_and_every_file_with_its_hash(demo, registered):
    folder = demo.artifacts_dir / registered.path
    assert {each["name"]: each["digest"]["sha256"] for each in statement(demo, registered)["subject"]} == {
        f"{registered.key}/{file.name}": digest(file.read_bytes()) for file in folder.iterdir()
    }


def test_the_predicate_says_settings_data_parents_packages_and_times(demo, registered):
    found = statement(demo, registered)
    assert found["predicateType"] == "https://slsa.dev/provenance/v1"
    definition, details = found["predicate"]["buildDefinition"], found["predicate"]["runDetails"]
    assert definition["buildType"] == "urn:bondx:build:registration:v1"
    external = definition["externalParameters"]
    assert (external["model"], external["random_seed"]) == ("pricing", 42)
    assert external["data"]["panel"] == {"sha256": SHA256["panel"], "n_rows": 9}
    assert definition["internalParameters"] == {"chosen": "linear"}
    needed = {each["name"]: each for each in definition["resolvedDependencies"]}
    assert needed["data:panel"]["digest"] == {"sha256": SHA256["panel"]}
    assert needed["data:word"] == {"name": "data:word", "uri": "urn:bondx:data:no%20hash"}
    assert needed["numpy"] == {"name": "numpy", "uri": "pkg:pypi/numpy@2.4.6", "annotations": {"scope": "required"}}
    assert needed["torch"]["annotations"] == {"scope": "optional"}
    (parent,) = (each for name, each in needed.items() if name.startswith("version:"))
    first = Registry(demo).get("pricing", parent["uri"].rpartition(":")[2])
    assert parent["digest"] == {"sha256": first.manifest_sha256}
    builder = {"id": "pkg:pypi/bondx-console@0.1.0", "version": {"bondx-console": "0.1.0", "python": "3.11.7"}}
    assert details["builder"] == builder
    run = Runs(demo).get(registered.run_id)
    assert set(details["metadata"]) == {"invocationId", "startedOn", "finishedOn"}
    assert details["metadata"]["invocationId"] == run.run_id
    assert details["metadata"]["startedOn"] < details["metadata"]["finishedOn"]
    if run.git:
        assert needed["code"]["digest"] == {"gitCommit": run.git["commit"]}


def test_a_version_of_a_session_names_its_settings_without_its_executor(demo):
    version = next(each for each in Registry(demo).versions() if each.session_id)
    session = Sessions(demo).get(version.session_id)
    predicate = statement(demo, version)["predicate"]
    assert predicate["buildDefinition"]["buildType"] == "urn:bondx:build:session:v1"
    settings = predicate["buildDefinition"]["externalParameters"]["settings"]
    assert settings == {name: value for name, value in session.settings.items() if name != "executor"}
    assert predicate["runDetails"]["metadata"]["invocationId"] == session.session_id


def test_the_messages_of_in_toto_take_every_statement(demo, described, registered):
    pytest.importorskip("in_toto_attestation")
    from google.protobuf.json_format import ParseDict
    from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
    from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
    from in_toto_attestation.v1.statement import Statement
    from in_toto_attestation.v1.statement_pb2 import Statement as Message

    for version in Registry(demo).versions():
        found = statement(demo, version)
        Statement.copy_from_pb(ParseDict(found, Message())).validate()
        predicate = ParseDict(found["predicate"], Provenance())  # refuses a field that it does not know
        for each in predicate.build_definition.resolved_dependencies:
            ResourceDescriptor.copy_from_pb(each).validate()
        assert predicate.run_details.builder.id


def test_the_same_version_has_the_same_bytes(demo, registered, key_made):
    found = encoded_record(provenance(demo, registered))
    Runs(demo).finish(registered.run_id, RunStatus.FINISHED, actor=ANA)
    Registry(demo).apply(Registry(demo).plan_archive("pricing", registered.version), actor=ANA)
    assert encoded_record(provenance(Workspace.open(demo.root), registered)) == found


def test_denied_columns_are_nowhere_in_a_statement(demo, registered):
    assert "tax_id" in json.dumps(statement(demo, registered))
    text = demo.settings_file.read_text()
    demo.settings_file.write_text(text.replace("denied_columns: []", "denied_columns: ['tax_*']"))
    found = statement(demo, registered)
    assert "tax" not in json.dumps(found)
    assert SHA256["tax_id"] not in json.dumps(found)
    assert found["predicate"]["buildDefinition"]["externalParameters"]["request"] == {"keep": ["size"]}


def test_a_broad_pattern_leaves_out_columns_and_keeps_the_keys_of_a_statement(demo, registered):
    text = demo.settings_file.read_text()
    demo.settings_file.write_text(text.replace("denied_columns: []", "denied_columns: ['*']"))
    found = statement(demo, registered)
    assert "tax_id" not in json.dumps(found)
    external = found["predicate"]["buildDefinition"]["externalParameters"]
    assert (external["model"], external["random_seed"], external["request"]) == ("pricing", 42, {"keep": []})


def test_a_denied_column_that_the_settings_of_a_session_alone_name_is_left_out(demo):
    version = next(each for each in Registry(demo).versions() if each.session_id)
    assert "patience" in json.dumps(statement(demo, version))
    text = demo.settings_file.read_text()
    demo.settings_file.write_text(text.replace("denied_columns: []", "denied_columns: [patience]"))
    assert "patience" not in json.dumps(statement(demo, version))


def test_a_provenance_of_changed_files_or_of_no_version_is_refused(demo, registered):
    with pytest.raises(VersionNotFoundError, match=r"9\.9\.9"):
        provenance_of(demo, "spread", "9.9.9")
    file = demo.artifacts_dir / registered.path / "environment.json"
    file.chmod(0o600)
    file.write_text("{}")
    with pytest.raises(HashMismatchError, match=r"pricing .* environment\.json was changed"):
        provenance(demo, registered)


def test_a_pack_about_a_version_holds_its_signed_provenance_and_an_edit_of_it_shows(demo, registered, key):
    packs = EvidencePacks(demo)
    pack = packs.of_version("pricing", registered.version, actor=ANA)
    file = packs.folder_of(pack) / PROVENANCE
    verify(json.loads(file.read_bytes()), key)
    assert file.read_bytes() == encoded_record(provenance(demo, registered))
    assert verify_pack(file, key).ok
    file.chmod(0o600)
    file.write_bytes(file.read_bytes() + b" ")
    assert verify_pack(file, key).damage == (f"{PROVENANCE} was edited: its SHA-256 is not that in manifest.json",)


def test_commands_and_programs_get_the_same_bytes(demo, registered, key_made, tmp_path, called):
    wanted = encoded_record(provenance(demo, registered))
    words = ["registry", "provenance", "pricing", registered.version, "--workspace", demo.root]
    assert called(main, *words) == (ExitCode.GOOD, wanted.decode(), "")
    out = tmp_path / "pricing.intoto.json"
    code, said, _ = called(main, *words, "--out", out)
    assert (code, out.read_bytes()) == (ExitCode.GOOD, wanted)
    assert said == f"{out}: provenance of pricing {registered.version}, SLSA 1\n"
    registry = ModelRegistry(MLOpsConfig.from_yaml(workspace=demo.root))
    assert registry.provenance("pricing", registered.version) == wanted
