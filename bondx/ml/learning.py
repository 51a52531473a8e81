"""`ContinuousLearningPipeline`: models that are trained anew, for as long as a loop of this program runs."""

import asyncio
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.api import MLOpsConfig
from core.api.arguments import checked
from core.errors import UsageError
from core.escape import shown

if TYPE_CHECKING:
    from core.engine import Engine
    from core.retraining.document import Retraining
    from core.retraining.watching import TriggerWatch
    from core.settings.retraining import RetrainingPolicy

LOOK_SECONDS = 15.0
_STOPS_WITHIN_SECONDS = 0.1


_FIELDS = {
    "schedule": "retrain_schedule",
    "performance.drop": "performance_threshold",
    "window.days": "data_window_days",
    "min_samples": "min_samples_threshold",
}
"""The fields of a `RetrainingConfig` that the policy calls otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainingConfig:
    """When a model is trained anew, and what becomes of the new version.

    What is not here, such as the source of the rows, is as the policy of the workspace says for the model.

    Attributes:
        model_name: The model; it needs a live version, with which each new one is compared.
        retrain_schedule: Minute, hour, day, month and weekday, as cron writes them; None for no schedule.
        data_window_days: Rows of so many days are learned from.
        min_samples_threshold: Fewest labelled rows.
        performance_threshold: Train when a metric is certainly worse than on held-out rows by this share; None for
            never.
        auto_deploy: False: a person approves each new version (`bondx retrain approve`).
        rollback_on_failure: Take a new live version back if it fails while it is watched.
        time_zone: The zone of the schedule.
    """

    model_name: str
    retrain_schedule: str | None = "0 2 * * 0"
    data_window_days: float = 30
    min_samples_threshold: int = 1000
    performance_threshold: float | None = 0.05
    auto_deploy: bool = False
    rollback_on_failure: bool = True
    time_zone: str = "UTC"

    def over(self, policy: "RetrainingPolicy") -> "RetrainingPolicy":
        """Return the rules of a model with what is said here.

        Args:
            policy: What the workspace says for the model.
        Raises:
            UsageError: A value is not valid; the message names it.
        """
        import msgspec

        from core.field_problems import refusal_of
        from core.json_documents import converted
        from core.settings.retraining import RetrainingPolicy

        said = {
            "enabled": True,
            "schedule": self.retrain_schedule,
            "time_zone": self.time_zone,
            "performance": None if self.performance_threshold is None else {"drop": self.performance_threshold},
            "window": msgspec.to_builtins(policy.window) | {"days": self.data_window_days},
            "min_samples": self.min_samples_threshold,
            "auto_deploy": self.auto_deploy,
            "rollback_on_failure": self.rollback_on_failure,
        }
        try:
            return converted(msgspec.to_builtins(policy) | said, RetrainingPolicy)
        except msgspec.ValidationError as error:
            problem = refusal_of(error, named=lambda field: _FIELDS.get(field, field))
            raise UsageError(f"The retraining of {shown(str(self.model_name))} cannot be set up: {problem}.") from None


class ContinuousLearningPipeline:
    """Starts retrainings when they are due, and lets the engine of the workspace carry them out.

    If no engine runs, the loop starts one in this process.
    """

    @checked
    def __init__(self, config: MLOpsConfig | None = None) -> None:
        """Open the pipeline; nothing is read yet.

        Args:
            config: The workspace, the policy and the name under which it acts.
        """
        self.config = config or MLOpsConfig.from_yaml()
        self._models: dict[str, RetrainingConfig] = {}
        self._stopping = False
        self._is_running = False
        self._watch: TriggerWatch | None = None

    def register_model_for_retraining(self, config: RetrainingConfig) -> None:
        """Let a model be trained anew while the loop runs; its earlier registration is replaced.

        Raises:
            NotFoundError: There is no such model.
            UsageError: A value is not valid.
        """
        from core.registry import Registry

        if not isinstance(config, RetrainingConfig):
            raise UsageError(f"config is {shown(config)}; it must be a RetrainingConfig of bondx.ml.")
        Registry(self.config.workspace).production(config.model_name)
        self._rules_of(config)
        self._models[config.model_name] = config

    async def run_continuous_learning_loop(self, *, look_seconds: float = LOOK_SECONDS) -> None:
        """Look at the triggers of all registered models until `stop` is called, or the task is cancelled.

        Args:
            look_seconds: How often.
        Raises:
            CoreError: The workspace cannot be used.
        """
        self._stopping, self._is_running = False, True
        starting = asyncio.ensure_future(asyncio.to_thread(self._start_engine))
        try:
            await asyncio.shield(starting)
            while not self._stopping:
                await asyncio.to_thread(self._look)
                again = time.monotonic() + look_seconds
                while not self._stopping and time.monotonic() < again:
                    await asyncio.sleep(_STOPS_WITHIN_SECONDS)
        finally:
            self._is_running = False
            await asyncio.shield(_stop_engine(starting))  # also one that still starts as the task is cancelled

    def stop(self) -> None:
        """End the loop; a retraining that is under way is continued by the next engine."""
        self._stopping = True

    def get_pipeline_status(self) -> dict[str, Any]:
        """Return what is due for each registered model, why not now, and its newest retraining.

        Returns:
            `is_running`, and under `models` by name: `live_version`, `is_due`, `why_not_now`, `next_at`, `active`, and
            of the newest retraining `retraining_id`, `phase`, `reason` and `new_version`.
        """
        from core.clock import utc_now
        from core.retraining.facts import facts_of
        from core.retraining.retrainings import Retrainings
        from core.retraining.triggers import judge

        now, workspace = utc_now(), self.config.workspace
        found: dict[str, Any] = {}
        every = Retrainings(workspace).all()
        for model, config in self._models.items():
            rules = self._rules_of(config)
            plan = judge(rules, facts_of(workspace, model, rules, now=now), now)
            newest = next((each for each in reversed(every) if each.model == model), None)
            found[model] = {
                "live_version": plan.live,
                "is_due": plan.is_due,
                "why_not_now": list(plan.blockers) if plan.is_due else [each.reason for each in plan.triggers],
                "next_at": plan.next_at,
                "active": plan.active or None,
                **_newest(newest),
            }
        return {"is_running": self._is_running, "models": found}

    def _rules_of(self, config: RetrainingConfig) -> "RetrainingPolicy":
        return config.over(self.config.policy.for_model(config.model_name).retraining)

    def _look(self) -> None:
        from core.clock import utc_now

        self._watch = self._watch or self._new_watch()
        self._watch.look(utc_now())

    def _new_watch(self) -> "TriggerWatch":
        from core.retraining.retrainings import Retrainings
        from core.retraining.watching import TriggerWatch

        return TriggerWatch(
            self.config.workspace,
            lambda: {model: self._rules_of(config) for model, config in self._models.items()},
            retrainings=Retrainings(self.config.workspace),
            actor=self.config.actor,
        )

    def _start_engine(self) -> "Engine | None":
        """Start an engine, unless one runs already."""
        from core.engine import Engine
        from core.state import LeaseHeldError

        engine = Engine(self.config.workspace, mode="headless", actor=self.config.actor)
        try:
            engine.start()
        except LeaseHeldError:
            return None
        return engine


async def _stop_engine(starting: "asyncio.Future[Engine | None]") -> None:
    """Stop the engine once it has started, if it has."""
    await asyncio.wait([starting])
    if starting.exception() is None and (engine := starting.result()) is not None:
        await asyncio.to_thread(engine.stop)


def _newest(found: "Retraining | None") -> dict[str, Any]:
    if found is None:
        return {"retraining_id": None, "phase": None, "reason": None, "new_version": None}
    return {
        "retraining_id": found.retraining_id,
        "phase": str(found.observed.phase),
        "reason": found.observed.reason,
        "new_version": found.observed.challenger or None,
    }
