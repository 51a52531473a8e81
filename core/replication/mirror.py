"""What a replica has followed, as the documents of its own workspace, which its server reads like any other."""

from collections.abc import Iterable
from typing import Any

import msgspec

from core.access import DATABASE as ACCESS
from core.access import Token
from core.actor import Actor
from core.clock import Clock
from core.governance import audited
from core.registry import Alias, Approval, ModelVersion, RegisteredModel
from core.registry.artifacts import ArtifactStore
from core.registry.changes import registry_change
from core.registry.numbering import SemanticVersion, checked_model_name, version_key
from core.registry.records import DATABASE as REGISTRY
from core.registry.records import Records
from core.replication.errors import UntrustedVersionError
from core.replication.offer import FORMAT, ReplicaState
from core.rollout.rollout import Rollout
from core.state import Workspace
from core.state.brief import whole
from core.state.encoding import plain

_TABLES: dict[str, tuple[type[Any], str]] = {
    "models": (RegisteredModel, "model"),
    "versions": (ModelVersion, "key"),
    "aliases": (Alias, "key"),
    "approvals": (Approval, "key"),
    "rollouts": (Rollout, "rollout_id"),
}
_OF_REPLICA = "c-"
"""Tokens of the control plane begin so, and those made for the replica alone with `t-`."""


def require_sound(state: ReplicaState) -> None:
    """Refuse a state that no workspace of this release offers: its names become paths here.

    Raises:
        UntrustedVersionError: It is of another format, or a version has a place that is not its own.
        InvalidNameError: A name is none.
    """
    if state.format != FORMAT:
        raise UntrustedVersionError(
            f"The control plane offers format {state.format} to replicas, and this release reads {FORMAT}: upgrade the "
            "older of the two."
        )
    for model in state.models:
        checked_model_name(model.model)
    for version in state.versions:
        number = str(SemanticVersion.parse(version.version))
        path = f"{checked_model_name(version.model)}/{number}"
        if (version.path, version.key, version.version) != (path, version_key(version.model, number), number):
            raise UntrustedVersionError(f"{version.key} has the place {version.path}, which is not its own.")


def has_own_models(workspace: Workspace) -> bool:
    """Whether a workspace has models."""
    return bool(Records(workspace).models.all())


def apply_state(
    workspace: Workspace, state: ReplicaState, *, without: Iterable[str], url: str, clock: Clock
) -> tuple[str, ...]:
    """Replace the documents of a replica by those of the control plane.

    Args:
        workspace: The replica's.
        state: What the control plane offers.
        without: Versions by key that could not be brought. Where one is needed to answer, its model stays as it was.
        url: The control plane, for the audit log.
        clock: The time.

    Returns:
        The models that stay as they were.
    """
    missing, records = set(without), Records(workspace)
    needed = {version_key(model.model, model.production) for model in state.models if model.production}
    stays = {key.partition("/")[0] for key in missing & needed}
    before = {version.key: version for version in records.versions.all()}
    versions = [
        *(version for version in state.versions if version.key not in missing and version.model not in stays),
        *(whole(version) for version in before.values() if version.model in stays),
    ]
    keys = {version.key for version in versions}
    tables: dict[str, list[Any]] = {
        "models": [
            *(model for model in state.models if model.model not in stays),
            *(model for model in records.models.all() if model.model in stays),
        ],
        "versions": versions,
        "aliases": [each for each in state.aliases if version_key(each.model, each.version) in keys],
        "approvals": [each for each in state.approvals if version_key(each.model, each.version) in keys],
        "rollouts": [
            each
            for each in state.rollouts
            if {version_key(each.model, each.stable), version_key(each.model, each.candidate)} <= keys
        ],
    }
    if not _has(workspace, tables):  # of a change of tokens alone, what is served has no record
        _write(workspace, tables, "replica.follow", url, clock, after=_told(tables["models"], versions))
    _take_tokens(workspace, state.tokens, url, clock)
    store = ArtifactStore(workspace.artifacts_dir)
    for version in before.values():
        if version.key not in keys:
            store.withdraw(version.model, version.version)
    return tuple(sorted(stays))


def withdraw(workspace: Workspace, *, url: str, clock: Clock) -> None:
    """Let nothing be served any more: the models stay, without a version. The files stay for when it is back."""
    tables: dict[str, list[Any]] = {"versions": [], "aliases": [], "rollouts": []}
    _write(workspace, tables, "replica.withdraw", url, clock, after={})


def _has(workspace: Workspace, tables: dict[str, list[Any]]) -> bool:
    """Whether a replica has these documents already, and no others."""
    database = workspace.database(REGISTRY)
    for name, (struct, key) in _TABLES.items():
        here = {getattr(each, key): whole(each) for each in database.documents(name, struct, key).all()}
        if here != {getattr(each, key): each for each in tables[name]}:
            return False
    return True


def _write(
    workspace: Workspace, tables: dict[str, list[Any]], verb: str, url: str, clock: Clock, *, after: dict[str, Any]
) -> None:
    with registry_change(workspace, actor=Actor.engine(), reason="", clock=clock) as change:
        for name, documents in tables.items():
            stored = {str(n): _spelled(document, name) for n, document in enumerate(documents, start=1)}
            change.db.storage.write_table(name, stored)
        if verb == "replica.follow":
            change.record("replica.follow", url, after=after)
        else:
            change.record("replica.withdraw", url)


def _take_tokens(workspace: Workspace, tokens: list[Token], url: str, clock: Clock) -> None:
    """Take the tokens of the control plane; those that it does not offer any more are revoked here."""
    documents = workspace.database(ACCESS).documents("tokens", Token, "token_id")
    offered = {each.token_id: msgspec.structs.replace(each, revision=0) for each in map(_renamed, tokens)}
    known = {token.token_id: token for token in documents.all() if token.token_id.startswith(_OF_REPLICA)}
    now, url_of = clock(), f"the control plane {url}"
    changed = [
        msgspec.structs.replace(token, revision=known[key].revision)
        for key, token in offered.items()
        if key in known and msgspec.structs.replace(known[key], revision=0) != token
    ]
    changed += [
        msgspec.structs.replace(token, revoked_at=now, revoked_by=url_of)
        for key, token in known.items()
        if key not in offered and token.revoked_at is None
    ]
    new = [token for key, token in offered.items() if key not in known]
    if not changed and not new:
        return
    with audited(workspace, ACCESS, actor=Actor.engine(), clock=clock) as change:
        documents.replace_all(changed)
        documents.insert_all(new)
        change.record("replica.take_tokens", url, after={"n_changed": len(changed), "n_new": len(new)})


def _renamed(token: Token) -> Token:
    return msgspec.structs.replace(token, token_id=_OF_REPLICA + token.token_id.removeprefix("t-"))


def _told(models: list[RegisteredModel], versions: list[ModelVersion]) -> dict[str, Any]:
    return {"production": {model.model: model.production for model in models}, "n_versions": len(versions)}


def _spelled(document: msgspec.Struct, table: str) -> Any:
    return plain(msgspec.to_builtins(document), f"{table} of the control plane")
