"""The provenance of a registered version: an in-toto statement with SLSA's predicate, signed in a DSSE envelope.

It says what was built, from what, with which settings, when and by which release. It holds recorded facts alone, so the
same version has the same statement; Ed25519 gives it the same signature.

Sources:
    in-toto Statement v1, https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md
    SLSA Provenance v1, https://slsa.dev/spec/v1.0/provenance
    DSSE v1.0.0, https://github.com/secure-systems-lab/dsse/blob/v1.0.0/protocol.md
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

from core.clock import to_iso
from core.evidence.denied import without_hidden
from core.evidence.recorded_version import RecordedVersion, on_record, recorded_version, sha256_in
from core.governance.dsse import STATEMENT_TYPE, enveloped
from core.governance.keys import AuditKeys
from core.installed_packages import DISTRIBUTION, purl_of
from core.registry.manifest import MANIFEST_NAME
from core.retraining.generator_plan import RECIPE
from core.state.workspace import Workspace
from core.tracking import Run, Runs
from core.training.session import Session, without_place
from core.training.sessions import Sessions

PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"
_RESULTS = ("best_epoch", "chosen", "epochs", "split", "way")  # of the lineage: the training decides them


def provenance_of(workspace: Workspace, model: str, version: str) -> dict[str, Any]:
    """Return the provenance of a version, without the columns of `explanation.denied_columns`.

    Args:
        workspace: The workspace, whose key signs it.
        model: The model.
        version: Its version, or an alias.

    Returns:
        A DSSE envelope with the statement; the statement alone where this account has no key of the workspace to sign
        it with.

    Raises:
        NotFoundError: There is no such model, version or alias.
        HashMismatchError: Its files differ from the registered files.
        SettingsError: The settings cannot be read.
        AuditKeyError: The signing key is damaged.
    """
    statement = _statement(workspace, recorded_version(workspace, model, version))
    keys = AuditKeys(workspace.keys_dir)
    return enveloped(statement, keys) if keys.can_sign() else statement


def is_signed_provenance(document: Mapping[str, Any]) -> bool:
    """Say whether a provenance is an envelope with a signature."""
    return "signatures" in document


def _statement(workspace: Workspace, recorded: RecordedVersion) -> dict[str, Any]:
    version = recorded.version
    session = on_record(Sessions(workspace).get, version.session_id)
    run = on_record(Runs(workspace).get, version.run_id)
    subjects = {f"{version.key}/{MANIFEST_NAME}": version.manifest_sha256}
    subjects |= {f"{version.key}/{name}": sha256 for name, sha256 in recorded.files.items()}
    return {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": name, "digest": {"sha256": sha256}}
            for name, sha256 in subjects.items()
            if not recorded.is_hidden(name)
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": _definition(recorded, session, run),
            "runDetails": _details(recorded, run),
        },
    }


def _definition(recorded: RecordedVersion, session: Session | None, run: Run | None) -> dict[str, Any]:
    version = recorded.version
    lineage = {name: value for name, value in version.lineage.items() if name != "data"}
    results = {name: lineage.pop(name) for name in _RESULTS if name in lineage}
    external = {
        "model": version.model,
        **lineage,
        **({"settings": without_place(session.settings)} if session is not None else {}),
        "data": {purpose: dict(entry) for purpose, entry in recorded.data_sets()},
    }
    drawn, own_file = version.session_id or RECIPE in lineage, "split" in version.lineage
    kind = "session" if drawn else "file" if own_file else "registration"
    return {
        "buildType": f"urn:bondx:build:{kind}:v1",
        "externalParameters": without_hidden(external, recorded.is_hidden),
        "internalParameters": without_hidden(results, recorded.is_hidden),
        "resolvedDependencies": [*_dependencies(recorded, run)],
    }


def _details(recorded: RecordedVersion, run: Run | None) -> dict[str, Any]:
    """Describe the training: it ended when the version was registered."""
    version, environment = recorded.version, recorded.environment
    release = _release(environment)
    builder = {
        "id": purl_of(DISTRIBUTION, release) if release else f"pkg:pypi/{DISTRIBUTION}",
        "version": {
            name: str(value)
            for name, value in ((DISTRIBUTION, release), ("python", environment.get("python")))
            if value
        },
    }
    invocation = version.session_id or version.run_id
    metadata = {
        **({"invocationId": invocation} if invocation else {}),
        **({"startedOn": to_iso(run.started_at)} if run is not None else {}),
        "finishedOn": to_iso(version.created_at),
    }
    return {"builder": builder, "metadata": metadata}


def _release(environment: Mapping[str, Any]) -> str:
    packages = environment.get("packages")
    return str(packages.get(DISTRIBUTION, "")) if isinstance(packages, Mapping) else ""


def _dependencies(recorded: RecordedVersion, run: Run | None) -> Iterator[dict[str, Any]]:
    """Yield the data sets, the parent versions, the code and the packages, each with a hash or an address."""
    for purpose, entry in recorded.data_sets():
        sha256, said = sha256_in(entry), str(entry.get("sha256") or purpose)
        known = {name: entry[name] for name in ("n_rows", "seed") if entry.get(name) is not None}
        yield {
            "name": f"data:{purpose}",
            **({"digest": {"sha256": sha256}} if sha256 else {"uri": f"urn:bondx:data:{quote(said, safe='')}"}),
            **({"annotations": known} if known else {}),
        }
    for key, manifest_sha256 in recorded.ancestors.items():
        model, _, number = key.partition("/")
        yield {
            "name": f"version:{key}",
            "uri": f"urn:bondx:version:{quote(model, safe='')}:{quote(number, safe='')}",
            **({"digest": {"sha256": manifest_sha256}} if manifest_sha256 else {}),
        }
    commit = (run.git or {}).get("commit") if run is not None else None
    if commit:
        yield {
            "name": "code",
            "digest": {"gitCommit": str(commit)},
            "annotations": {"dirty": bool((run.git or {}).get("dirty"))} if run is not None else {},
        }
    for name, version, scope in recorded.packages():
        yield {"name": name, "uri": purl_of(name, version), "annotations": {"scope": scope}}
