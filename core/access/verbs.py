"""Every verb of the audit log, and of what changes something outside of the state, in its class.

A verb without a class is refused to everyone but admins, and a test fails (`tests/core/access/test_matrix.py`).
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class VerbClass(StrEnum):
    """What kind of right a verb takes."""

    VIEW = "view"  # look, predict, report outcomes
    INSPECT = "inspect"  # look at what not every reader of predictions should see
    OPERATE = "operate"  # sessions, runs, moves of versions, rollouts, alerts
    APPROVE = "approve"  # the second pair of eyes
    ADMINISTER = "administer"  # rights, and what removes something for good
    REPAIR = "repair"  # the way out of damage: admins, and the account that owns the folder, which could do it by hand
    FOLLOWS = "follows"  # part of another change, which has been allowed in the same transaction
    ENGINE = "engine"  # what the engine observes
    ANYONE = "anyone"  # the end of what one has begun, and the record of a refusal


INSPECT = "workspace.inspect"
"""The verb that routes ask for which only show something."""

_BY_CLASS: Mapping[VerbClass, tuple[str, ...]] = {
    VerbClass.VIEW: ("workspace.view", "prediction.ask", "outcome.report"),
    VerbClass.INSPECT: (INSPECT, "console.attach"),
    VerbClass.OPERATE: (
        *("alert.acknowledge", "alert.comment", "alert.fire", "alert.resolve", "alert.snooze"),
        *("alias.remove", "alias.set"),
        "draft.record",
        "engine.acquire",
        "evidence.build",
        *("labels.draw", "labels.more"),
        "notification.test",
        *("retraining.cancel", "retraining.hold", "retraining.resume", "retraining.start"),
        *("rollout.abort", "rollout.advance", "rollout.hold", "rollout.promote_now", "rollout.resume", "rollout.start"),
        *("run.finish", "run.log_artifact", "run.log_data", "run.log_parameters", "run.reopen", "run.start", "run.tag"),
        *("session.pause", "session.resume", "session.start", "session.stop", "session.stop_tuning"),
        *("silence.add", "silence.expire", "silence.forget"),
        *("replica.report", "stress.run"),
        *("view.delete", "view.save"),
        *("version.archive", "version.make_profile", "version.promote", "version.register", "version.release"),
        *("version.rollback", "version.tag", "version.undo"),
        "webhook.test",
    ),
    VerbClass.APPROVE: ("retraining.approve", "version.approve", "version.withdraw_approval"),
    VerbClass.ADMINISTER: (
        *("access.define_role", "access.grant", "access.remove_role", "access.revoke"),
        "backup.create",
        "key.rotate",
        *("rollout.prune", "run.forget", "run.prune", "run.thin", "session.prune_reports", "stress.prune"),
        *("token.create", "token.revoke", "token.rotate"),
        *("version.prune", "workspace.prune", "workspace.seal"),
    ),
    VerbClass.REPAIR: (
        *("access.break_glass", "document.repair", "state.archive", "state.restore"),
        *("version.adopt", "version.reclaim"),
    ),
    VerbClass.FOLLOWS: ("alert.prune", "approval.use", "rollout.end", "token.end"),
    VerbClass.ENGINE: (
        *("holds.correct", "holds.replace", "retraining.schedule", "version.quarantine"),
        *("replica.follow", "replica.take_tokens", "replica.withdraw"),
        *("rollout.begin", "rollout.finish", "rollout.inconclusive", "rollout.promote", "rollout.recollect"),
        *("rollout.roll_back", "rollout.step"),
    ),
    # A backup is restored into a folder of one's own: a copy, of which the restorer is the owner.
    VerbClass.ANYONE: ("access.refuse", "engine.release", "model.restore", "workspace.restore"),
}

VERBS: Mapping[str, VerbClass] = MappingProxyType({verb: kind for kind, verbs in _BY_CLASS.items() for verb in verbs})
"""The class of every verb that a person can be the author of, and of what the engine alone does."""

_OF_DESK = ("alias.", "labels.", "retraining.", "rollout.", "run.", "session.", "stress.", "version.")
_REFUSED = (VerbClass.OPERATE, VerbClass.APPROVE, VerbClass.ADMINISTER)

_OBSERVED = ("session.", "retraining.")
"""What the engine observes of a session or a retraining is named by phases and steps, which are not listed here."""


def class_of(verb: str) -> VerbClass:
    """Return the class of a verb; an unknown verb takes an admin.

    >>> class_of("version.promote"), class_of("session.tuned"), class_of("version.invented")
    (<VerbClass.OPERATE: 'operate'>, <VerbClass.ENGINE: 'engine'>, <VerbClass.ADMINISTER: 'administer'>)
    """
    if verb in VERBS:
        return VERBS[verb]
    return VerbClass.ENGINE if verb.startswith(_OBSERVED) else VerbClass.ADMINISTER


def is_of_desk(verb: str) -> bool:
    """Whether a verb changes what a replica takes from its desk, or would make there; repair stays possible.

    >>> is_of_desk("version.promote"), is_of_desk("token.create"), is_of_desk("version.reclaim")
    (True, False, False)
    """
    return verb == "engine.acquire" or (verb.startswith(_OF_DESK) and VERBS.get(verb) in _REFUSED)


def made_at_desk(url: str) -> str:
    """Say of a replica where changes are made.

    >>> made_at_desk("https://desk:8501")
    'this workspace is a replica of https://desk:8501, and changes are made there'
    """
    return f"this workspace is a replica of {url}, and changes are made there"
