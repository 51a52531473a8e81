"""The engine's workers. The engine starts a thread for every worker in `WORKERS`.

sampler.py        measures the machine and our processes once a second, and evaluates the alert rules on them
monitor.py        watches every live version: its traffic, drift, performance and health
rollouts.py       judges the candidate of each active rollout, and takes the rollout's next step
retraining.py     trains models anew when their triggers are due, up to a watched live version
recorder.py       records the series that rule files look at
metrics_port.py   answers /health and /metrics where a setting asks for it
past.py           records every document, so that a console can go back through the past
archiver.py       moves older documents out of state files that have grown
silent_runs.py    marks runs as lost if their processes stop reporting
alerting.py       evaluates rule files over the recorded series
notifier.py       sends notifications about alerts to their receivers
backup.py         takes the backups of the settings
housekeeping.py   measures the stores, forecasts the day the disk is full, and deletes what the settings limit
health.py         keeps `system_health_report.json` at the top of the workspace current
webhooks.py       tells other programs what happens in the registry
external_alerts.py  resolves alerts from elsewhere whose time has passed
change_notice.py  notices changes made by consoles and commands, and wakes the workers that watch for them

The trainer (`core.training.trainer`) is a worker, too: it runs sessions, with a child process for the numbers. It
starts first and stops first, because the other workers record its last epoch.
"""

from collections.abc import Callable

from core.engine.context import EngineContext
from core.engine.worker import Worker
from core.engine.workers.alerting import RuleEvaluator
from core.engine.workers.archiver import Archiver
from core.engine.workers.backup import BackupSchedule
from core.engine.workers.external_alerts import ExternalAlertExpiry
from core.engine.workers.health import HealthReport
from core.engine.workers.housekeeping import Housekeeping
from core.engine.workers.metrics_port import MetricsPort
from core.engine.workers.monitor import Monitor
from core.engine.workers.notifier import Notifier
from core.engine.workers.past import PastRecorder
from core.engine.workers.recorder import Recorder
from core.engine.workers.retraining import RetrainingLoop
from core.engine.workers.rollouts import RolloutLoop
from core.engine.workers.sampler import Sampler
from core.engine.workers.silent_runs import SilentRuns
from core.engine.workers.webhooks import WebhookSender

WORKERS: tuple[Callable[[EngineContext], Worker], ...] = (
    Sampler,
    RolloutLoop,
    RetrainingLoop,
    Monitor,
    Recorder,
    MetricsPort,
    PastRecorder,
    SilentRuns,
    Archiver,
    Housekeeping,
    HealthReport,
    WebhookSender,
    RuleEvaluator,
    Notifier,
    ExternalAlertExpiry,
    BackupSchedule,
)
