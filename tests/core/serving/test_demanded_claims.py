"""A server that demands signed claims loads no version without them, and goes on with the version that was live."""

import json
from concurrent.futures import wait
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from core.actor import Actor, Origin
from core.clock import to_iso
from core.governance.dsse import enveloped
from core.governance.keys import AuditKeys
from core.quality.gate import judge
from core.registry import Registry
from core.registry.claims import signed_claim
from core.registry.demanded_claims import ClaimDemand, ClaimRefusedError
from core.serving.loading import Loader
from core.serving.stats import ServerStats
from core.settings.claims import ClaimKeySettings

BEN = Actor("ben", "desk", Origin.COMMAND_LINE)
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BOTH = ("gates_passed", "validated_by")


@pytest.fixture
def version(workspace, artifacts, register):
    """A version whose gates passed."""
    return register(workspace, "spread", artifacts / "spread", gates=(judge("coverage", 99.0, ">=", 90.0, unit="%"),))


def problem(workspace, version, required=BOTH, keys=(), claims=None, now=NOW):
    registry = Registry(workspace)
    found = registry.get(version.model, version.version)
    demand = ClaimDemand(workspace, required, keys)
    return demand.problem(found, registry.claims_of(found) if claims is None else claims, now)


def test_a_version_has_its_claims_from_registration_and_from_approval(workspace, version):
    assert problem(workspace, version, ["gates_passed"]) == ""
    assert problem(workspace, version) == (
        "it has no valid claim validated_by, which serving.require_claims demands: "
        f"bondx registry approve spread {version.version} signs it"
    )
    Registry(workspace).approve("spread", version.version, actor=BEN, reason="reviewed")
    assert problem(workspace, version) == ""


def test_an_approval_that_was_withdrawn_claims_nothing(workspace, version):
    registry = Registry(workspace)
    registry.approve("spread", version.version, actor=BEN, reason="reviewed")
    registry.withdraw_approval("spread", version.version, actor=BEN, reason="")
    assert "validated_by" in problem(workspace, version)


def test_no_gate_or_a_failed_gate_claims_nothing(workspace, artifacts, register):
    without = register(workspace, "spread", artifacts / "spread", gates=())
    failed = register(workspace, "spread", artifacts / "spread_other", gates=(judge("coverage", 50.0, ">=", 90.0),))
    assert "gates_passed" in problem(workspace, without, ["gates_passed"])
    assert "gates_passed" in problem(workspace, failed, ["gates_passed"])


def test_the_claim_says_which_files_it_is_about_and_who_made_it(workspace, version):
    import base64

    (claim,) = Registry(workspace).claims_of(Registry(workspace).get("spread", version.version))
    statement = json.loads(base64.b64decode(json.loads(claim)["payload"]))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "urn:bondx:claim:gates_passed:v1"
    name = f"spread/{version.version}/MANIFEST.json"
    assert statement["subject"] == [{"name": name, "digest": {"sha256": version.manifest_sha256}}]
    assert statement["predicate"]["n_gates"] == 1


def test_claims_of_another_version_or_of_other_bytes_do_not_count(workspace, version):
    said = {"n_gates": 1}
    for key, sha256 in (("spread/9.9.9", version.manifest_sha256), (version.key, "ab" * 32)):
        claim = signed_claim(workspace, "gates_passed", key, sha256, said)
        assert "gates_passed" in problem(workspace, version, ["gates_passed"], claims=[claim])
    approved = signed_claim(workspace, "validated_by", version.key, version.manifest_sha256, said)
    assert "gates_passed" in problem(workspace, version, ["gates_passed"], claims=[approved])


def forged(version, folder):
    folder.mkdir()
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": f"{version.key}/MANIFEST.json", "digest": {"sha256": version.manifest_sha256}}],
        "predicateType": "urn:bondx:claim:gates_passed:v1",
        "predicate": {},
    }
    return json.dumps(enveloped(statement, AuditKeys(folder)))


def test_a_forged_claim_does_not_count(workspace, version, tmp_path):
    claim = forged(version, tmp_path / "forger")
    assert "gates_passed" in problem(workspace, version, ["gates_passed"], claims=[claim])
    keys = [ClaimKeySettings(file=str(tmp_path / "forger" / "audit-signing.pub"))]
    assert problem(workspace, version, ["gates_passed"], keys, claims=[claim]) == "", "it is about another key alone"


@pytest.mark.parametrize("edit", ["payload", "sig", "payloadType"])
def test_an_edited_claim_does_not_count(workspace, version, edit):
    (claim,) = Registry(workspace).claims_of(Registry(workspace).get("spread", version.version))
    envelope = json.loads(claim)
    place = envelope["signatures"][0] if edit == "sig" else envelope
    first = place[edit][0]
    place[edit] = ("B" if first == "A" else "A") + place[edit][1:]
    assert "gates_passed" in problem(workspace, version, ["gates_passed"], claims=[json.dumps(envelope)])


@pytest.mark.parametrize("claim", ["", "x", "{}", "[]", "null", '{"payload":1}', "[" * 2_000, "\ud800"])
def test_anything_else_is_no_claim(workspace, version, claim):
    assert "gates_passed" in problem(workspace, version, ["gates_passed"], claims=[claim])


def test_a_key_counts_until_its_end(workspace, version):
    own = "keys/audit-signing.pub"
    until = NOW + timedelta(days=1)
    keys = [ClaimKeySettings(file=own, until=to_iso(until))]
    assert problem(workspace, version, ["gates_passed"], keys) == ""
    assert "the key audit-signing.pub counts until 2026-03-02 12:00 UTC alone" in problem(
        workspace, version, ["gates_passed"], keys, now=until
    )
    assert problem(workspace, version, ["gates_passed"], [*keys, ClaimKeySettings(file=own)], now=until) == ""


def test_a_demand_that_no_approval_here_meets_names_the_key_to_add(workspace, version, tmp_path):
    said = {"approved_by": "ben"}
    signed_claim(workspace, "validated_by", version.key, version.manifest_sha256, said)
    forged(version, tmp_path / "ci")
    keys = [ClaimKeySettings(file=str(tmp_path / "ci" / "audit-signing.pub"))]
    assert problem(workspace, version, ["validated_by"], keys).endswith(
        "signs it; keys/audit-signing.pub, which signs here, is not among serving.claim_keys that count: add it"
    )


@pytest.mark.parametrize("content", [None, b"", b"no key"])
def test_a_key_that_cannot_be_read_is_named(workspace, version, content):
    if content is not None:
        (workspace.root / "other.pub").write_bytes(content)
    said = problem(workspace, version, ["gates_passed"], [ClaimKeySettings(file="other.pub")])
    assert "the key other.pub cannot be read" in said or "the key other.pub is no Ed25519 public key in PEM" in said


def test_a_server_loads_no_version_without_its_claims_and_goes_on_with_the_live_one(
    workspace, artifacts, register, version
):
    tables = []
    loader = Loader(workspace, ServerStats(), tables.append, demand=ClaimDemand(workspace, BOTH), clock=lambda: NOW)
    registry = Registry(workspace)

    def turn():
        loader.refresh()
        wait(loader._loading.values())
        loader.refresh()
        return tables[-1].models["spread"]

    def to_production(number):
        for _ in range(2):
            registry.apply(registry.plan_promotion("spread", number), actor=BEN, reason="")

    registry.approve("spread", version.version, actor=BEN, reason="reviewed")
    to_production(version.version)
    assert turn().default.version == version.version
    bare = register(workspace, "spread", artifacts / "spread_other")
    to_production(bare.version)
    served = turn()
    assert served.default.version == version.version
    assert served.failures[bare.version].startswith("it has no valid claim validated_by, which serving.require_claims")
    registry.approve("spread", bare.version, actor=BEN, reason="the server says so")  # the way out that it names
    assert "validated_by" not in problem(workspace, registry.get("spread", bare.version))
    loader._worker.shutdown()


def test_the_doctor_names_a_live_version_that_a_server_would_refuse(workspace, version):
    from core.maintenance.doctor import examine

    registry = Registry(workspace)
    for _ in range(2):
        registry.apply(registry.plan_promotion("spread", version.version), actor=BEN, reason="")
    text = workspace.settings_file.read_text()
    workspace.settings_file.write_text(f"{text}serving: {{require_claims: [gates_passed]}}\n")
    assert not any("claim" in finding.problem for finding in examine(workspace))
    workspace.settings_file.write_text(f"{text}serving: {{require_claims: [gates_passed, validated_by]}}\n")
    (found,) = [finding for finding in examine(workspace) if "claim" in finding.problem]
    assert found.problem.startswith(f"spread {version.version} is live, and no server would load it: it has no valid")


def test_a_claim_that_cannot_be_signed_keeps_no_version_from_being_registered(workspace, artifacts, register):
    (workspace.keys_dir / "audit-signing.key").write_text("damaged")
    made = register(workspace, "spread", artifacts / "spread", gates=(judge("coverage", 99.0, ">=", 90.0),))
    assert replace(made, claim="") == made


def test_an_unmet_demand_is_refused_by_an_error_in_one_sentence(workspace, version):
    with pytest.raises(ClaimRefusedError, match=r"^it has no valid claim validated_by, .* signs it\.$"):
        ClaimDemand(workspace, ["validated_by"]).require(version, [], NOW)
