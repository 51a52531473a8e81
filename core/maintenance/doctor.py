"""Find damage in a workspace, and name the cure."""

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from core.access.errors import OidcExtraMissingError, OidcProviderError
from core.access.oidc_extra import require_oidc_extra
from core.clock import utc_now
from core.confinement import LeadsOutError, links_out_of
from core.errors import CoreError
from core.escape import spelled_out
from core.files import FileAccessError
from core.governance.audit_log import AuditLog
from core.governance.head import DATABASE as AUDIT_DATABASE
from core.key_source import KeySource, KeySourceError
from core.maintenance.access import REPAIR, examine_access
from core.maintenance.backup.restoring import killed_restorations
from core.maintenance.finding import Finding
from core.maintenance.repair import KEPT_IN
from core.maintenance.state_files import archive_files, state_files
from core.maintenance.stored_documents import HEAD, TABLES, TableOf, unreadable_documents
from core.plain_files import read_file
from core.progress import begins
from core.registry import Registry
from core.registry.demanded_claims import ClaimDemand
from core.registry.holds import TABLE as HOLDS_TABLE
from core.registry.made_profiles import CURE_OF_FOLDER
from core.rollout.rollout_records import DATABASE as REGISTRY_DATABASE
from core.rollout.rollouts import Rollouts
from core.sealed_files import SealedFileError
from core.settings import SettingsError, load_policy, settings_in_force
from core.settings.sealing import sealer_in_force
from core.state.archive import archive_damage, copy_of
from core.state.errors import DamagedFileError, DocumentFormatError, NewerLayoutError
from core.state.generation import good_generation, load, previous_of
from core.state.workspace import Workspace
from core.telemetry import TelemetryError, check

_LOW_SPACE_BYTES = 64 * 2**20
_CHECK_ACCESS = "check its permissions and the disk"
_CORRECT_OIDC = (
    "correct serving.oidc, or start the provider; until then only tokens are taken whose keys a running server knows"
)
_CLAIM_CURE = "have the claim signed, correct serving.claim_keys, or demand less in serving.require_claims"
_CORRECT_ROUTING = "correct it; bondx alerts routes lists its faults and shows what is in force"
_CORRECT = "correct it; bondx config validate checks every settings and policy file"


def examine(workspace: Workspace, *, tables: Sequence[TableOf] = TABLES) -> list[Finding]:
    """Check all files of the workspace without changing anything.

    The settings and the policy in force are read, the OIDC provider of the settings is asked for its keys, state files
    are read whole and every document as its type, and the audit chain is verified; the telemetry is checked page by
    page. Artifacts are verified by the registry.

    Args:
        workspace: The workspace.
        tables: The tables of documents.
    Returns:
        The problems and their cures; empty if there are no problems.
    """
    parts: Mapping[str, Callable[[], Iterable[Finding]]] = {
        "the disk": lambda: _examine_disk(workspace),
        "the permissions": lambda: examine_access(workspace),
        "the links": lambda: _examine_links(workspace),
        "the settings": lambda: _examine_settings(workspace),
        "the OIDC provider": lambda: _examine_oidc(workspace),
        "the key of sealed files": lambda: _examine_sealing(workspace),
        "the claims": lambda: _examine_claims(workspace),
        "the routing": lambda: _examine_routing(workspace),
        "the state files": lambda: _examine_state(workspace, tables),
        "the archives": lambda: _examine_archives(workspace),
        "the holds": lambda: _examine_holds(workspace),
        "the profiles": lambda: _examine_profiles(workspace),
        "the audit log": lambda: _examine_audit(workspace),
        "the telemetry": lambda: _examine_telemetry(workspace),
        "killed restorations": lambda: _examine_restorations(workspace),
    }
    findings: list[Finding] = []
    for part, examined in parts.items():
        begins(f"checking {part}")
        findings += examined()
    return findings


def _examine_disk(workspace: Workspace) -> Iterator[Finding]:
    free = shutil.disk_usage(workspace.root).free
    if free < _LOW_SPACE_BYTES:
        yield Finding(
            file=str(workspace.root),
            problem=f"only {free / 2**20:.0f} MiB are free on its disk",
            cure="free some space: a full disk refuses every change",
        )
    if not os.access(workspace.state_dir, os.W_OK | os.X_OK):
        yield Finding(
            file=str(workspace.state_dir),
            problem="this account has no write permission",
            cure="use the account that owns the workspace, or change the folder's permissions",
        )


def _examine_restorations(workspace: Workspace) -> Iterator[Finding]:
    """Find what killed restorations left beside the workspace."""
    for folder in killed_restorations(workspace.root.resolve().parent):
        yield Finding(
            file=str(folder),
            problem="a restoration that was killed left files of a backup here, not encrypted",
            cure="bondx doctor --repair removes it; so does the next bondx restore beside it",
        )


def _examine_links(workspace: Workspace) -> Iterator[Finding]:
    """Find links that lead out of the workspace, through which nothing is written."""
    for link in links_out_of(workspace.root):
        yield Finding(
            file=str(link),
            problem=f"it is a link that leads out of the workspace, to {os.path.realpath(link)}; changes are refused",
            cure="put the files in its place, mount their disk there, or move the whole workspace and link that",
        )


def _examine_settings(workspace: Workspace) -> Iterator[Finding]:
    """Find what keeps the settings or the policy in force from being used."""
    found = []
    for read in (lambda: settings_in_force(workspace.root), lambda: load_policy(workspace.root)):
        try:
            read()
        except SettingsError as error:
            if str(error) not in found:  # the policy may stand in the settings
                found.append(str(error))
                yield Finding(file=str(error.file), problem=str(error), cure=_CORRECT)


def _examine_oidc(workspace: Workspace) -> Iterator[Finding]:
    """Find why no caller with a token of the provider could be admitted."""
    try:
        settings = settings_in_force(workspace.root).serving.oidc
    except SettingsError:  # found with the settings
        return
    if settings is None:
        return
    file = str(workspace.settings_file)
    try:
        require_oidc_extra()
    except OidcExtraMissingError as error:
        yield Finding(file=file, problem=str(error), cure="install it, or set serving.oidc to null")
        return
    from core.access.oidc_provider import fetch_keys  # an extra, imported only where it is asked for

    try:
        keys = fetch_keys(settings, workspace.root)
    except OidcProviderError as error:
        yield Finding(file=file, problem=str(error), cure=_CORRECT_OIDC)
    else:
        if not keys:
            problem = f"{settings.issuer} publishes no RSA key of 2048 bits or more and no EC key for signatures"
            yield Finding(file=file, problem=problem, cure="give the provider a signing key of RSA or EC")


def _examine_sealing(workspace: Workspace) -> Iterator[Finding]:
    """Find why files could not be written or read as `encryption` says."""
    try:
        if settings_in_force(workspace.root).encryption.source != KeySource():
            sealer_in_force(workspace.root)
    except SettingsError:  # found with the settings
        return
    except (KeySourceError, SealedFileError) as error:
        cure = "name the key in encryption; without it, sealed files cannot be read, and none can be written"
        yield Finding(file=str(workspace.settings_file), problem=str(error), cure=cure)


def _examine_claims(workspace: Workspace) -> Iterator[Finding]:
    """Find live versions that a server would refuse to load, since a claim that it demands is missing."""
    try:
        settings = settings_in_force(workspace.root).serving
    except SettingsError:  # found with the settings
        return
    if not (demand := ClaimDemand(workspace, settings.require_claims, settings.claim_keys)):
        return
    registry, now = Registry(workspace), utc_now()
    try:
        live = [registry.get(model.model, model.production) for model in registry.models() if model.production]
        problems = {found.key: demand.problem(found, registry.claims_of(found), now) for found in live}
    except CoreError:  # the documents cannot be read; that is reported, with its cure
        return
    for found in live:
        if problem := problems[found.key]:
            said = f"{found.model} {found.version} is live, and no server would load it: {problem}"
            yield Finding(file=str(workspace.settings_file), problem=said, cure=_CLAIM_CURE)


def _examine_routing(workspace: Workspace) -> Iterator[Finding]:
    """Find what keeps the routing file from being used, and say what is in force instead."""
    from core.alerts.routing.in_force import routing_standing

    standing = routing_standing(workspace)
    if standing.error is not None and standing.error.file != workspace.settings_file:
        yield Finding(file=str(standing.error.file), problem=standing.problem, cure=_CORRECT_ROUTING)


def _examine_state(workspace: Workspace, tables: Sequence[TableOf]) -> Iterator[Finding]:
    for path in state_files(workspace):
        previous = previous_of(path)
        try:
            load(path)
        except DamagedFileError as error:
            cure = f"no earlier generation is readable: restore a backup, or move it and {previous.name} aside"
            if error.good_generation is not None:
                cure = f"bondx doctor --restore {path.name} restores the intact {previous.name}"
            if error.path == path:  # else an archive file, which is reported below
                yield Finding(file=str(path), problem=error.damage, cure=cure)
        except NewerLayoutError as error:
            yield Finding(file=str(path), problem=str(error), cure="use the newer release; do not restore this file")
        except FileAccessError as error:
            if error.path == path:  # else an archive file, likewise
                yield Finding(file=str(path), problem=str(error), cure=_CHECK_ACCESS)
        except CoreError as error:
            yield Finding(file=str(path), problem=str(error), cure=_CHECK_ACCESS)
        else:
            yield from _examine_documents(workspace, path, tables)
            if previous.exists() and good_generation(path) is None:
                yield Finding(
                    file=str(previous),
                    problem="the generation kept for restoring is damaged",
                    cure=f"nothing to do: {path.name} is intact, and its next change replaces this; check the disk",
                )


def _examine_archives(workspace: Workspace) -> Iterator[Finding]:
    """Compare every archive file, and its second copy, with the digest in its name."""
    for path in archive_files(workspace):
        copy = copy_of(path)
        try:
            damage, copy_damage = archive_damage(path), archive_damage(copy)
        except FileAccessError as error:
            yield Finding(file=str(error.path), problem=str(error), cure=_CHECK_ACCESS)
            continue
        if damage is not None:
            cure = f"its copy {copy.name} is damaged, too: restore a backup"
            if copy_damage is None:
                cure = f"bondx doctor --restore {path.name} restores it from its copy {copy.name}"
            yield Finding(file=str(path), problem=damage, cure=cure)
        elif copy_damage is not None:
            yield Finding(
                file=str(copy),
                problem=f"the copy kept for restoring cannot serve: {copy_damage}",
                cure=f"copy {path.name}, which is whole, over it; check the disk",
            )


def _examine_documents(workspace: Workspace, path: Path, tables: Sequence[TableOf]) -> Iterator[Finding]:
    for found in unreadable_documents(workspace, path.stem, tables):
        if path.stem == HEAD.database:
            cure = f"bondx doctor --restore {path.name} restores the generation before"
        elif found.repaired is None:
            cure = f"use the release that wrote it, or {REPAIR} takes it out of the table into state/{KEPT_IN}/"
        else:
            cure = f"{REPAIR} changes {'; '.join(found.changes)}, and keeps the old document"
        problem = f"table {found.table}, document {spelled_out(found.key)} does not read as its type: {found.problem}"
        yield Finding(file=str(path), problem=problem, cure=cure)


def _examine_holds(workspace: Workspace) -> Iterator[Finding]:
    """Compare the holds that protect versions in rollouts with the rollouts; an earlier release writes none."""
    path = workspace.state_file(REGISTRY_DATABASE)
    cure = "start the engine (bondx run --headless --no-session): it writes the holds again from the rollouts"
    try:
        wrong = Rollouts(workspace).wrong_holds()
    except DocumentFormatError as error:
        if error.table == HOLDS_TABLE:  # every other table is already reported, with its cure
            yield Finding(file=str(path), problem=str(error), cure=cure)
    except CoreError:
        return  # the file cannot be read; that is already reported, with its cure
    else:
        for found in wrong:
            if found.is_repair:
                problem = f"the holds of {found.model} differ from its rollouts ({found.problem})"
                yield Finding(file=str(path), problem=problem, cure=cure)


def _examine_profiles(workspace: Workspace) -> Iterator[Finding]:
    """Compare the profiles that were made later with their records; those in artifacts are the registry's to verify."""
    try:
        problems = Registry(workspace).profile_problems()
    except CoreError:
        return  # the registry cannot be read; that is already reported, with its cure
    for found in problems:
        if found.file.is_symlink() and found.file in links_out_of(workspace.root):
            continue  # the link is already reported, with its cure
        model = found.file.parent.parent.name
        cure = (
            f"restore the file from a backup, or bondx drift profile {model} --version {found.version} --data FILE "
            "--reason TEXT makes it again; until then the version is watched as one without a profile"
        )
        if found.is_orphan:
            cure = "nothing to do: the next start of an engine removes it"
        elif found.is_unrecorded:
            cure = (
                "its making was cut off, or the registry was restored to an earlier state: "
                f"bondx drift profile {model} --version {found.version} --data FILE makes it again"
            )
        elif not found.version:
            cure = CURE_OF_FOLDER
        yield Finding(file=str(found.file), problem=found.problem, cure=cure)


def _examine_audit(workspace: Workspace) -> Iterator[Finding]:
    if not any(workspace.audit_dir.iterdir()) and not workspace.state_file(AUDIT_DATABASE).exists():
        return  # nothing was ever recorded
    try:
        verdict = AuditLog(workspace).verify()
    except DamagedFileError:
        return  # the damaged state file holds records not yet logged; it is already reported, with its cure
    except (CoreError, OSError) as error:
        if isinstance(error.__cause__, LeadsOutError):
            return  # the link is already reported, with its cure
        problem = str(error)
    else:
        if verdict.ok:
            return
        problem = verdict.reason
    yield Finding(
        file=str(workspace.audit_file),
        problem=problem,
        cure="leave the folder unchanged and find out who edited it; `bondx audit verify` names the first bad record",
    )


def _examine_telemetry(workspace: Workspace) -> Iterator[Finding]:
    for path, stop, what in (
        (workspace.telemetry_file, "the engine", "saves all readable data"),
        (workspace.predictions_file, "the servers", "moves it aside, and they start a new file"),
        (workspace.live_file, "the servers", "moves it aside, and they start a new file"),
        (workspace.contributions_file, "the servers", "moves it aside, and they start a new file"),
        (workspace.features_file, "the servers", "moves it aside, and they start a new file"),
        (workspace.metrics_file, "the engine and the servers", "moves it aside, and they start a new file"),
        (workspace.past_file, "the engine", "moves it aside, and it starts a new file"),
    ):
        try:
            problem = check(path)
        except TelemetryError as error:
            if isinstance(error.__cause__, LeadsOutError):
                continue  # the link is already reported, with its cure
            problem = str(error)
        if problem is not None:
            cure = f"stop {stop}, then bondx doctor --restore {path.name} {what}"
            yield Finding(file=str(path), problem=problem, cure=cure)
    yield from _examine_evidence(workspace)


def _examine_evidence(workspace: Workspace) -> Iterator[Finding]:
    """Examine the sums by caller of active rollouts, which the engine can collect again."""
    files = sorted(workspace.telemetry_file.parent.glob("*.evidence"))
    if not files:
        return
    from core.rollout.working_memory import read_evidence  # numpy is needed only where there is such a file

    for path in files:
        try:
            read_evidence(read_file(path), path)
        except (ValueError, OSError) as error:
            cure = "start the engine: it collects the evidence again from the stored predictions"
            yield Finding(file=str(path), problem=str(error), cure=cure)
