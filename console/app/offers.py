"""From a key to an offer: looks the present state up, and knows how to carry the change out.

Every function here reads or writes files, so dialogs call them in threads. What an offer carries out is the very
plan it shows; the registry and the sessions refuse it when somebody has changed the object meanwhile.
"""

from collections.abc import Callable

from console.presentation.offers import Offer, acknowledge_offer, leave_offer, plan_offer, session_offer, start_offer
from console.presentation.rollout_offers import Ask, go_live_offer, rollout_offer, start_rollout_offer
from core.actor import Actor
from core.alerts import Alert, Alerts
from core.registry import Plan, Registry, Stage
from core.rollout import Desired as RolloutDesired
from core.rollout import Rollout, Rollouts, Strategy
from core.settings import load_settings, unavailable_features
from core.state import Workspace
from core.training.session import Desired, Session
from core.training.sessions import Sessions
from widgets.glyphs import Glyphs

_TOLD_SETTINGS = (
    "max_epochs",
    "patience",
    "convergence_threshold",
    "quality_threshold",
    "dataset_size",
    "random_seed",
    "convergence_timeout_hours",
)


_DESIRED = {
    Ask.PROMOTE: RolloutDesired.PROMOTE_NOW,
    Ask.HOLD: RolloutDesired.PAUSED,
    Ask.RESUME: RolloutDesired.RUNNING,
    Ask.ABORT: RolloutDesired.ABORTED,
}


class Offers:
    """Makes the offers of one console: one workspace, one actor."""

    def __init__(self, workspace: Workspace, actor: Actor, glyphs: Glyphs) -> None:
        self._workspace = workspace
        self._actor = actor
        self._glyphs = glyphs

    def promotion(self, model: str, version: str, stage: Stage | None = None) -> Offer:
        """Offer to move a version one stage up."""
        return self._move(lambda registry: registry.plan_promotion(model, version, stage, actor=self._actor))

    def rollback(self, model: str) -> Offer:
        """Offer to go back to the version that was live before."""
        return self._move(lambda registry: registry.plan_rollback(model))

    def undo(self, model: str) -> Offer:
        """Offer to take the last move of a model back."""
        return self._move(lambda registry: registry.plan_undo(model))

    def archiving(self, model: str, version: str) -> Offer:
        """Offer to put a version away."""
        return self._move(lambda registry: registry.plan_archive(model, version))

    def rollout_start(self, model: str, candidate: str, strategy: Strategy, *, has_engine: bool) -> Offer:
        """Offer to start a rollout by the rules of the workspace's policy."""
        rollouts = Rollouts(self._workspace)
        proposal = rollouts.plan(model, candidate, strategy, actor=self._actor)

        def commit(reason: str) -> str:
            started = rollouts.start(proposal, actor=self._actor, reason=reason)
            return f"{started.rollout_id} is started: {model} {started.candidate} against {started.stable}. 4 shows it."

        return start_rollout_offer(proposal, self._glyphs, commit, has_engine=has_engine)

    def rollout(self, rollout: Rollout, ask: Ask, *, has_engine: bool) -> Offer:
        """Offer to ask something of a rollout, as it was when the key was pressed."""
        rollouts = Rollouts(self._workspace)

        def commit(reason: str) -> str:
            # To the step that was shown: the engine may have taken it meanwhile, and must not take another.
            step = rollout.observed.step + 1 if ask is Ask.ADVANCE else None
            rollouts.request(
                rollout.rollout_id,
                _DESIRED.get(ask, rollout.desired),
                actor=self._actor,
                reason=reason,
                step=step,
                expected_revision=rollout.revision,
            )
            if ask is Ask.ABORT:
                return f"{rollout.rollout_id} is aborted: {rollout.stable} answers all requests."
            return f"{rollout.rollout_id} is asked to {ask}."

        if ask is Ask.PROMOTE:
            registry = Registry(self._workspace)
            plan = registry.plan_promotion(rollout.model, rollout.candidate, Stage.PRODUCTION, actor=self._actor)
            return go_live_offer(rollout, plan, self._glyphs, commit, has_engine=has_engine)
        return rollout_offer(rollout, ask, self._glyphs, commit, has_engine=has_engine)

    def session(self, session: Session, desired: Desired, *, has_engine: bool) -> Offer:
        """Offer to hold, resume or stop a session, as it was when the key was pressed."""

        def commit(reason: str) -> str:
            Sessions(self._workspace).request(
                session.session_id, desired, actor=self._actor, reason=reason, expected_revision=session.revision
            )
            return f"{session.session_id} is asked to be {desired}."

        return session_offer(session, desired, self._glyphs, commit, has_engine=has_engine)

    def start(self, *, has_engine: bool) -> Offer:
        """Offer to start a session with the settings of the workspace."""
        training = load_settings(self._workspace.settings_file).training

        def commit(reason: str) -> str:
            started = Sessions(self._workspace).start(training, name="console", actor=self._actor, reason=reason)
            return f"{started.session_id} is queued."

        facts = [(name, str(getattr(training, name))) for name in _TOLD_SETTINGS]
        facts.append(("models", ", ".join(training.models)))
        return start_offer(facts, unavailable_features(training), commit, has_engine=has_engine)

    def acknowledgement(self, alert: Alert) -> Offer:
        """Offer to take an alert on, as it was when the key was pressed."""

        def commit(_reason: str) -> str:
            Alerts(self._workspace).acknowledge(alert.fingerprint, self._actor, expected_revision=alert.revision)
            return f"{alert.rule} is yours now."

        return acknowledge_offer(alert, commit)

    def leaving(self, session: Session | None, stop: Callable[[], None]) -> Offer:
        """Offer to leave a console that carries the engine."""

        def commit(_reason: str) -> str:
            stop()
            return ""

        return leave_offer(session, commit)

    def _move(self, plan_with: Callable[[Registry], Plan]) -> Offer:
        registry = Registry(self._workspace)
        plan = plan_with(registry)

        def commit(reason: str) -> str:
            moved = registry.apply(plan, actor=self._actor, reason=reason)
            return "; ".join(f"{version.model} {version.version} is in {version.stage}" for version in moved) + "."

        return plan_offer(plan, self._glyphs, commit)
