"""What a workspace offers to the replicas that follow it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, NamedTuple

import msgspec

from core.access import DATABASE as ACCESS
from core.access import Role, Token
from core.errors import NotFoundError
from core.escape import shown
from core.files import digest
from core.installed_packages import own_release
from core.registry import Alias, Approval, ModelVersion, RegisteredModel, Registry, Stage
from core.registry.artifacts import ArtifactStore
from core.registry.errors import ChangedFileError, HashMismatchError
from core.registry.later_denied import versions_as_shown
from core.registry.manifest import MANIFEST_NAME
from core.registry.records import DATABASE as REGISTRY
from core.rollout import Rollouts
from core.rollout.rollout import ObservedRollout, Rollout
from core.settings.sealing import opened_content
from core.state import Workspace
from core.state.brief import whole

FORMAT = 1
FILE_BYTES = 8 << 20
"""The largest part of a file in one answer."""


class ReplicaState(msgspec.Struct, frozen=True, kw_only=True):
    """What a replica serves: the documents that routing and loading read."""

    format: int
    models: list[RegisteredModel]
    versions: list[ModelVersion]  # that may be asked: none that is archived, but the target of a rollback
    aliases: list[Alias]
    approvals: list[Approval]
    rollouts: list[Rollout]  # those that are active, without what was measured
    tokens: list[Token]  # that are valid, each with the rights of a viewer alone


class OfferedFile(NamedTuple):
    """A file of a version that is open to be read."""

    content: BinaryIO
    size: int
    sha256: str


_tags: dict[Path, tuple[object, str]] = {}


def offer_tag(workspace: Workspace, now: datetime) -> str:
    """Return what changes with the offer, which is read only once a file of it has changed.

    The engine writes its file with every look at a rollout, and mostly changes nothing that replicas serve by.

    Args:
        workspace: The workspace.
        now: The time, by which tokens are valid.
    """
    signatures = tuple(workspace.database(name).signature() for name in (REGISTRY, ACCESS))
    if (known := _tags.get(workspace.root)) is not None and known[0] == signatures:
        return known[1]
    state = msgspec.json.encode(offered_state(workspace, now))
    tag = digest(repr((FORMAT, own_release())).encode() + state)[:32]
    _tags[workspace.root] = signatures, tag
    return tag


def offered_state(workspace: Workspace, now: datetime) -> ReplicaState:
    """Return what replicas serve now.

    Args:
        workspace: The workspace.
        now: The time, by which tokens are valid.
    """
    registry = Registry(workspace)
    models = registry.models()
    rollouts = [_as_routed(whole(rollout)) for rollout in Rollouts(workspace).in_brief() if rollout.is_active]
    needed = {(model.model, number) for model in models for number in model.previous_production[-1:]}
    needed |= {(rollout.model, number) for rollout in rollouts for number in (rollout.stable, rollout.candidate)}
    versions = [
        whole(version)
        for version in registry.versions_in_brief()
        if version.stage is not Stage.ARCHIVED or (version.model, version.version) in needed
    ]
    keys = {version.key for version in versions}
    return ReplicaState(
        format=FORMAT,
        models=models,
        versions=versions_as_shown(workspace, versions),
        aliases=[alias for alias in registry.all_aliases() if f"{alias.model}/{alias.version}" in keys],
        approvals=[
            approval
            for approval in workspace.database(REGISTRY).documents("approvals", Approval, "key").all()
            if f"{approval.model}/{approval.version}" in keys
        ],
        rollouts=rollouts,
        tokens=[
            msgspec.structs.replace(token, role=Role.VIEWER, rests_on=())
            for token in workspace.database(ACCESS).documents("tokens", Token, "token_id").all()
            if token.is_valid(now)
        ],
    )


def _as_routed(rollout: Rollout) -> Rollout:
    """Leave out what the engine has measured, which changes with every look: nobody routes by it."""
    seen = rollout.observed
    observed = ObservedRollout(
        phase=seen.phase,
        phase_since=seen.phase_since,
        step=seen.step,
        step_since=seen.step_since,
        share=seen.share,
        started_at=seen.started_at,
        deadline_at=seen.deadline_at,
        heeded_revision=seen.heeded_revision,
    )
    return msgspec.structs.replace(
        rollout,
        observed=observed,
        updated_at=seen.step_since or rollout.desired_at,
        updated_by=rollout.desired_by,
        revision=rollout.desired_revision,
    )


@contextmanager
def file_of_version(workspace: Workspace, model: str, version: str, name: str) -> Iterator[OfferedFile]:
    """Open one file of a version; of a sealed one, its content.

    Args:
        workspace: The workspace.
        model: The model.
        version: Its version, or an alias.
        name: The file, as the manifest spells it, or the manifest itself.
    Raises:
        NotFoundError: There is no such model, version or file.
        HashMismatchError: The manifest is not the registered one, or the file cannot be read.
    """
    found = Registry(workspace).get(model, version)
    store = ArtifactStore(workspace.artifacts_dir)
    try:
        manifest = store.manifest(found.model, found.version, found.manifest_sha256)
        registered = manifest.files.get(name)
        if registered is None and name != MANIFEST_NAME:
            raise NotFoundError(f"{found.model} {found.version} has no file {shown(name)}: {MANIFEST_NAME} lists them.")
        with opened_content(store.folder(found.model, found.version) / name) as content:
            if registered is None:
                yield OfferedFile(content, os.fstat(content.fileno()).st_size, found.manifest_sha256)
            else:
                yield OfferedFile(content, registered.size, registered.sha256)
    except ChangedFileError as error:
        raise HashMismatchError(found.model, found.version, (str(error),)) from None
    except OSError as error:
        problem = f"{name} cannot be read ({error.strerror or error})"
        raise HashMismatchError(found.model, found.version, (problem,)) from None
