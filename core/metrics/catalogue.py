"""Every metric of `/metrics` that is ours: its name, kind, labels and meaning, in one place.

The page docs/metrics.md is written from it (`tools/metrics_page.py`), and a test compares the two.
"""

from core.metrics.limits import MOST_UNLOADED
from core.metrics.metric import CounterMetric, GaugeMetric, Group, HistogramMetric
from core.monitoring.baselines import BASELINE_METRICS

_MODEL = ("model", "version")
_ROLLOUT = ("model", "rollout")
_ARM = (*_ROLLOUT, "arm")
_GUARD = (*_ROLLOUT, "guard")
_SESSION = ("session",)
_CRITERION = ("session", "criterion")

_WORKER = ("worker",)

_COLUMN = (*_MODEL, "type", "feature")
_METRIC = (*_MODEL, "metric", "source")

_P = Group.PREDICTIONS
PREDICT_SECONDS = HistogramMetric(
    "bondx_predict_seconds", "Time to answer a predict request, from its first byte read.", _P, _MODEL
)
PREDICT_ROWS = CounterMetric("bondx_predict_rows", "Rows answered.", _P, _MODEL)
PREDICT_FAILURES = CounterMetric("bondx_predict_failures", "Requests on which the model failed.", _P, _MODEL)
PREDICT_SHADOW = CounterMetric(
    "bondx_predict_shadow", "Copies of requests that the version answered for no caller.", _P, _MODEL
)
PREDICT_SHADOW_DROPPED = CounterMetric(
    "bondx_predict_shadow_dropped", "Copies of requests dropped under load.", _P, _MODEL
)
PREDICT_UNFAMILIAR = CounterMetric(
    "bondx_predict_unfamiliar_values", "Values outside the training data of the model.", _P, (*_MODEL, "field")
)
PREDICT_EARLIER = CounterMetric(
    "bondx_predict_earlier",
    f"Counts of a model's versions before its newest {MOST_UNLOADED} unloaded ones, which have no series any more.",
    _P,
    ("model", "counter"),
)
LIVE_ROWS = CounterMetric("bondx_live_rows", "Rows counted in the bins of the version's profile.", _P, _MODEL)
LIVE_LEFT_OUT = CounterMetric(
    "bondx_live_left_out_rows",
    "Answered rows that are not counted, since a random share of the requests stands for them.",
    _P,
    _MODEL,
)
LIVE_DROPPED = CounterMetric(
    "bondx_live_dropped_rows", "Answered rows that could not be counted: too many at a time.", _P, _MODEL
)
LIVE_UNPROFILED = CounterMetric(
    "bondx_live_unprofiled_rows", "Answered rows of versions without a profile, which are not counted.", _P, _MODEL
)
EXPLAINED = CounterMetric("bondx_explained_rows", "Answered rows whose contributions were summed.", _P, _MODEL)
UNEXPLAINED = CounterMetric("bondx_unexplained_rows", "Answered rows that no explained row stands for.", _P, _MODEL)
TEXT_DOCUMENTS = CounterMetric(
    "bondx_text_documents",
    "Documents written, by how they ended: end (by the model), stop, length, time (the limit), left (the caller).",
    _P,
    (*_MODEL, "finish"),
)
TEXT_TOKENS = CounterMetric("bondx_text_tokens", "Tokens written.", _P, _MODEL)
TEXT_WEIGHED_TOKENS = CounterMetric(
    "bondx_text_weighed_tokens", "Tokens written in documents that were not cut off by time.", _P, _MODEL
)
TEXT_NATS = CounterMetric(
    "bondx_text_nats", "Negative log-probability of these tokens under the model; by token, the entropy of its texts.",
    _P, _MODEL,
)  # fmt: skip
TEXT_PROMPTS = CounterMetric("bondx_text_prompts", "Prompts that were measured.", _P, _MODEL)
TEXT_PROMPT_TOKENS = CounterMetric("bondx_text_prompt_tokens", "Tokens of these prompts.", _P, _MODEL)
TEXT_WEIGHED_PROMPT_TOKENS = CounterMetric(
    "bondx_text_weighed_prompt_tokens", "Of these, the first 256 of each prompt.", _P, _MODEL
)
TEXT_PROMPT_NATS = CounterMetric(
    "bondx_text_prompt_nats",
    "Negative log-probability of these tokens under the model; by token, it rises as prompts drift.",
    _P,
    _MODEL,
)
TEXT_UNMEASURED = CounterMetric(
    "bondx_text_unmeasured", "Requests that were not measured, since every thread was writing.", _P, _MODEL
)
TEXT_FACTS = CounterMetric(
    "bondx_text_facts",
    "Whole documents by whether their facts agree: yes, or no; only of models that learned a grammar's documents.",
    _P,
    (*_MODEL, "agree"),
)
PREDICT_REFUSED = CounterMetric("bondx_predict_refused", "Requests answered with an error.", _P, ("dialect", "status"))

_V = Group.VERSIONS
READY = GaugeMetric("bondx_ready", "1 while the server can answer on every port.", _V)
MODEL_READY = GaugeMetric("bondx_model_ready", "1 while the live version is ready.", _V, ("model",))
VERSION_LOADED = GaugeMetric("bondx_version_loaded", "1 for each loaded version.", _V, (*_MODEL, "stage"))
VERSION_LOAD_SECONDS = GaugeMetric(
    "bondx_version_load_seconds", "Time to check, load and warm the version.", _V, _MODEL
)
VERSION_LOADED_AT = GaugeMetric(
    "bondx_version_loaded_at_seconds", "When the version was loaded, Unix time.", _V, _MODEL
)
VERSION_MEMORY = GaugeMetric(
    "bondx_version_memory_bytes", "Memory that the processes took to load the version.", _V, _MODEL
)
VERSION_LOAD_FAILED = GaugeMetric("bondx_version_load_failed", "1 for each version that cannot be loaded.", _V, _MODEL)
VERSION_EVICTIONS = CounterMetric("bondx_version_evictions", "Versions unloaded because of the memory limit.", _V)

_O = Group.OUTCOMES
TELEMETRY_DROPPED = CounterMetric(
    "bondx_telemetry_dropped", "Answered predictions and outcomes that could not be recorded.", _O
)
TELEMETRY_STORED = CounterMetric("bondx_telemetry_stored", "Predictions and outcomes recorded.", _O)
TELEMETRY_WAITING = GaugeMetric("bondx_telemetry_waiting", "Predictions and outcomes waiting to be recorded.", _O)
TELEMETRY_UP = GaugeMetric("bondx_telemetry_up", "1 while recording works.", _O)
LIVE_UNSTORED = CounterMetric(
    "bondx_live_unstored_rows", "Rows counted in minutes that could not be stored: the disk refused them too long.", _O
)
LIVE_UP = GaugeMetric("bondx_live_up", "1 while counted rows can be stored.", _O)
OUTCOMES = CounterMetric(
    "bondx_outcomes",
    "Outcomes by what became of them: unmatched ones came before their prediction and may be matched later; refused "
    "ones say nothing about it.",
    _O,
    ("state",),
)
OUTCOMES_WAITING = GaugeMetric("bondx_outcomes_waiting", "Stored outcomes that wait for their prediction.", _O)
PREDICTIONS_STORED_ROWS = GaugeMetric(
    "bondx_predictions_stored_rows",
    "Stored predictions of each model with a retention of its own, and of all others.",
    _O,
    ("model",),
)
PREDICTIONS_STORED_BYTES = GaugeMetric("bondx_predictions_stored_bytes", "What they take on the disk.", _O, ("model",))

_M = Group.MONITORING
MODEL_HEALTH = GaugeMetric(
    "bondx_model_health", "1 for the state of health of each live version.", _M, (*_MODEL, "state")
)
MODEL_HEALTH_REASON = GaugeMetric(
    "bondx_model_health_reason",
    "Weight of each reason for the state of health: how far beyond its limit, at most 10.",
    _M,
    (*_MODEL, "source"),
)
DRIFT_PSI = GaugeMetric("bondx_drift_psi", "Population stability index of each column, nats.", _M, _COLUMN)
DRIFT_EVIDENCE = GaugeMetric(
    "bondx_drift_evidence_ratio", "Evidence that the column has moved, as a share of what decides.", _M, _COLUMN
)
DRIFT_VERDICT = GaugeMetric("bondx_drift_verdict", "1 for the verdict on each column.", _M, (*_COLUMN, "verdict"))
DRIFT_CHANGED_AT = GaugeMetric(
    "bondx_drift_changed_at_seconds", "When the column began to move, as estimated, Unix time.", _M, _COLUMN
)
DRIFT_ROWS = GaugeMetric("bondx_drift_rows", "Rows counted for the verdict on each version.", _M, _MODEL)
PREDICTION_MEAN = GaugeMetric(
    "bondx_prediction_mean", "Mean prediction of the last 10 minutes, of versions that predict numbers.", _M, _MODEL
)
MISSING = GaugeMetric(
    "bondx_missing_values_ratio", "Share of empty cells in the features of the last 10 minutes.", _M, _MODEL
)
PERFORMANCE = GaugeMetric(
    "bondx_model_performance",
    "Each metric of performance; source: outcomes, or an estimate without them.",
    _M,
    _METRIC,
)
PERFORMANCE_LOW = GaugeMetric(
    "bondx_model_performance_low", "Lower end of its interval, valid however often one looks.", _M, _METRIC
)
PERFORMANCE_HIGH = GaugeMetric("bondx_model_performance_high", "Upper end of its interval.", _M, _METRIC)
DRIFT_BUDGET = GaugeMetric(
    "bondx_drift_budget_alerts", "False alerts of drift that are acceptable in 30 days, in the whole workspace.", _M
)
DRIFT_BUDGET_SPENT = GaugeMetric(
    "bondx_drift_budget_spent_alerts",
    "Alerts of drift of the last 30 days that nobody has acknowledged or resolved: each may be false.",
    _M,
)
DRIFT_BUDGET_LEFT = GaugeMetric("bondx_drift_budget_left_alerts", "What is left of that budget.", _M)
MONITORED_UNTIL = GaugeMetric(
    "bondx_monitored_until_seconds", "The minute of the last look at the version, Unix time.", _M, _MODEL
)
LIVE_VERSION_AGE = GaugeMetric(
    "bondx_live_version_age_seconds", "Time since the live version was registered.", _M, _MODEL
)
BASELINES = {
    metric: GaugeMetric(
        f"bondx_baseline_{metric}",
        f"The metric {metric} of the live version before it went live: on held-out rows, else as it was registered.",
        _M,
        _MODEL,
    )
    for metric in BASELINE_METRICS
}
"""By metric, the series of the live version with which `bondx_model_performance` can be compared."""

_R = Group.ROLLOUTS
ROLLOUT_PHASE = GaugeMetric(
    "bondx_rollout_phase",
    "1 for the phase of the newest rollout of each model; stuck: it cannot be judged.",
    _R,
    (*_ROLLOUT, "candidate", "strategy", "phase"),
)
ROLLOUT_SHARE = GaugeMetric("bondx_rollout_share", "Share of the requests that each arm should answer.", _R, _ARM)
ROLLOUT_ANSWERS = CounterMetric("bondx_rollout_answers", "Answers that were judged.", _R, _ARM)
ROLLOUT_OUTCOMES = CounterMetric("bondx_rollout_outcomes", "Losses that were judged.", _R, _ARM)
ROLLOUT_ARRIVALS = GaugeMetric(
    "bondx_rollout_arrivals", "Share of the answers of each arm whose outcome has arrived.", _R, _ARM
)
ROLLOUT_SET_ASIDE = CounterMetric("bondx_rollout_values_set_aside", "Values too large to be added up.", _R, _GUARD)
ROLLOUT_FAILURES = CounterMetric(
    "bondx_rollout_failures", "Answers that failed, by the guard that counts them.", _R, (*_GUARD, "arm")
)
ROLLOUT_VERDICT = GaugeMetric("bondx_rollout_verdict", "1 for the verdict of each guard.", _R, (*_GUARD, "verdict"))
ROLLOUT_EVIDENCE = GaugeMetric(
    "bondx_rollout_evidence", "Evidence of each guard, as a share of what decides.", _R, (*_GUARD, "of")
)
ROLLOUT_STUCK = GaugeMetric("bondx_rollout_stuck", "1 while an active rollout cannot be judged.", _R, _ROLLOUT)
ROLLOUT_NOT_JUDGED = GaugeMetric(
    "bondx_rollout_not_judged", "1 for what the candidate has not been judged by.", _R, (*_ROLLOUT, "what")
)
ROLLOUT_REPORTED = CounterMetric(
    "bondx_rollout_reported_losses", "Losses that callers computed themselves.", _R, _ROLLOUT
)
ROLLOUT_SLICES = GaugeMetric(
    "bondx_rollout_slice_evidence",
    "Evidence of harm of each guard on each level of each slice, as a share of what decides.",
    _R,
    (*_ROLLOUT, "source", "column", "level"),
)
ROLLOUT_COMPARED = CounterMetric(
    "bondx_rollout_compared_rows", "Rows that both versions answered with a number.", _R, _ROLLOUT
)
ROLLOUT_DIFFERENT = CounterMetric(
    "bondx_rollout_different_rows", "Compared rows whose answers differ beyond the tolerance.", _R, _ROLLOUT
)
ROLLOUT_DIFFERENCE = GaugeMetric(
    "bondx_rollout_difference", "Mean and p95 of the differences of compared rows.", _R, (*_ROLLOUT, "of")
)
ROLLOUT_UNPAIRED = CounterMetric(
    "bondx_rollout_unpaired_outcomes", "Outcomes of rows that only one version answered.", _R, _ROLLOUT
)

_S = Group.SESSIONS
SESSIONS = GaugeMetric("bondx_sessions", "Sessions in each phase, those at rest included.", _S, ("phase",))
SESSIONS_LEFT_OUT = GaugeMetric("bondx_sessions_left_out", "Sessions that are not at rest and have no series here.", _S)
SESSION_PHASE = GaugeMetric("bondx_session_phase", "1 for the phase of the session.", _S, ("session", "phase"))
SESSION_EPOCH = GaugeMetric("bondx_session_epoch", "Epoch of each active session.", _S, _SESSION)
SESSION_EPOCH_LIMIT = GaugeMetric(
    "bondx_session_epoch_limit", "Epochs after which it ends at the latest.", _S, _SESSION
)
SESSION_EPOCH_SECONDS = GaugeMetric("bondx_session_epoch_seconds", "Time that its newest epoch took.", _S, _SESSION)
SESSION_TRAINED = CounterMetric(
    "bondx_session_trained_seconds", "Time trained, without pauses and outages.", _S, _SESSION
)
SESSION_ETA = GaugeMetric("bondx_session_eta_seconds", "Time until its epoch limit, as estimated.", _S, _SESSION)
SESSION_PROGRESS_AT = GaugeMetric(
    "bondx_session_progress_timestamp_seconds", "When it last made progress, Unix time.", _S, _SESSION
)
SESSION_SKIPPED = CounterMetric("bondx_session_skipped_epochs", "Epochs whose data failed a gate.", _S, _SESSION)
SESSION_FAILED = CounterMetric("bondx_session_failed_attempts", "Attempts at an epoch that failed.", _S, _SESSION)
SESSION_SCORE = GaugeMetric("bondx_session_score", "Score of each active session.", _S, _SESSION)
SESSION_BEST_SCORE = GaugeMetric("bondx_session_best_score", "Its best score.", _S, _SESSION)
SESSION_BEST_EPOCH = GaugeMetric("bondx_session_best_epoch", "The epoch of its best score.", _S, _SESSION)
SESSION_ATTAINMENT = GaugeMetric(
    "bondx_session_attainment_ratio",
    "Attainment of each model in its newest epoch: the share of the best attainable score.",
    _S,
    ("session", "model"),
)
SESSION_QUALITY = GaugeMetric(
    "bondx_session_quality_ratio", "Quality score of the data of its newest epoch.", _S, _SESSION
)
SESSION_GATES = GaugeMetric("bondx_session_gates", "Gates of its newest epoch, by result.", _S, ("session", "result"))
SESSION_GATE_FAILED = GaugeMetric(
    "bondx_session_gate_failed", "1 for each gate that its newest epoch failed.", _S, ("session", "gate")
)
CRITERION_VALUE = GaugeMetric(
    "bondx_session_criterion_value",
    "Figure of each criterion of its end: improvement of the score, epochs without one, variance of the quality.",
    _S,
    _CRITERION,
)
CRITERION_LIMIT = GaugeMetric(
    "bondx_session_criterion_limit", "What the figure of the criterion is compared with.", _S, _CRITERION
)
CRITERION_MET = GaugeMetric("bondx_session_criterion_met", "1 while the criterion speaks for the end.", _S, _CRITERION)
CRITERION_EPOCH = GaugeMetric(
    "bondx_session_criterion_epoch", "Earliest epoch at which the criterion could be met.", _S, _CRITERION
)
SESSION_END_EPOCH = GaugeMetric(
    "bondx_session_end_epoch",
    "Earliest epoch at which each reason could end the session: converged (improvement, patience and quality), "
    "plateau, epoch limit.",
    _S,
    ("session", "reason"),
)
SESSION_ENDS_FIRST = GaugeMetric(
    "bondx_session_ends_first", "1 for the reason that could end the session first.", _S, ("session", "reason")
)

_T = Group.STRESS
STRESS_TESTS = GaugeMetric("bondx_stress_tests", "Stress tests that are stored. Absent, as all below, without any.", _T)
STRESS_AGE = GaugeMetric(
    "bondx_stress_age_seconds", "Age of the newest stress test of each portfolio.", _T, ("domain", "portfolio")
)
STRESS_PNL = GaugeMetric(
    "bondx_stress_pnl_ratio",
    "Profit of each case of that test as a share of the portfolio's value, negative for a loss.",
    _T,
    ("domain", "portfolio", "scenario", "severity"),
)
STRESS_IMPACT = GaugeMetric(
    "bondx_stress_impact_ratio",
    "Impact of each case of that test, from 0 to 1.",
    _T,
    ("domain", "portfolio", "scenario", "severity"),
)
STRESS_MODEL_ERROR = GaugeMetric(
    "bondx_stress_model_error_ratio",
    "Error of each version against the truth of each scenario, as times that of calm, in its newest stress test.",
    _T,
    (*_MODEL, "scenario", "severity"),
)
STRESS_MODEL_ATTAINMENT = GaugeMetric(
    "bondx_stress_model_attainment_ratio",
    "Attainment of each version under each scenario, in that test.",
    _T,
    (*_MODEL, "scenario", "severity"),
)
STRESS_MODEL_GATES = GaugeMetric(
    "bondx_stress_model_failed_gates",
    "Quality gates that the rows of each scenario fail, in that test.",
    _T,
    (*_MODEL, "scenario", "severity"),
)

_REPLICA = ("replica", "host", "principal")
_E = Group.REPLICAS
REPLICA_CONTACT_AGE = GaugeMetric(
    "bondx_replica_contact_age_seconds",
    "On a replica: time since the workspace that it follows answered last, to the minute. Absent before that.",
    _E,
)
REPLICA_CONTACT_LIMIT = GaugeMetric(
    "bondx_replica_contact_limit_seconds",
    "On a replica: the age of the last answer beyond which it counts as cut off.",
    _E,
)
REPLICA_SEEN_AGE = GaugeMetric(
    "bondx_replica_seen_age_seconds",
    "Time since a replica last asked, to the minute; those of the last week, at most 200.",
    _E,
    _REPLICA,
)
REPLICA_SEEN_LIMIT = GaugeMetric(
    "bondx_replica_seen_limit_seconds",
    "The age of its last request beyond which the replica counts as silent: three requests and two minutes.",
    _E,
    _REPLICA,
)
REPLICA_BEHIND = GaugeMetric(
    "bondx_replica_behind_seconds",
    "Time since the replica has not taken a change; 0 if it had every change when it asked last.",
    _E,
    _REPLICA,
)

_M = Group.MACHINE
MACHINE_CPU = CounterMetric("bondx_machine_cpu_seconds", "CPU time of the machine by mode.", _M, ("mode",))
MACHINE_MEMORY_USED = GaugeMetric("bondx_machine_memory_used_bytes", "Memory in use: what no program could get.", _M)
MACHINE_MEMORY_TOTAL = GaugeMetric("bondx_machine_memory_total_bytes", "Memory of the machine.", _M)
MACHINE_DISK_FREE = GaugeMetric("bondx_machine_disk_free_bytes", "Free space on the disk of the workspace.", _M)
MACHINE_DISK_USED = GaugeMetric(
    "bondx_machine_disk_used_bytes",
    "Used on the disk of the workspace. With the free space it is less than the size where the system keeps a reserve.",
    _M,
)
MACHINE_DISK_TOTAL = GaugeMetric("bondx_machine_disk_total_bytes", "Size of the disk of the workspace.", _M)
MACHINE_NETWORK_SENT = CounterMetric("bondx_machine_network_sent_bytes", "Sent by all interfaces.", _M)
MACHINE_NETWORK_RECEIVED = CounterMetric("bondx_machine_network_received_bytes", "Received by all interfaces.", _M)
ENGINE_CPU = GaugeMetric(
    "bondx_engine_cpu_ratio",
    "CPU time of the engine's processes a second, by role: 1 is a whole core. Absent while none is sampled.",
    _M,
    ("role",),
)
ENGINE_MEMORY = GaugeMetric(
    "bondx_engine_resident_memory_bytes", "Resident memory of the engine's processes, by role.", _M, ("role",)
)
DISK_DAYS = GaugeMetric("bondx_machine_disk_full_days", "Days until the disk is full, as estimated by the engine.", _M)

_W = Group.WORKSPACE
ENGINE_UP = GaugeMetric("bondx_engine_up", "1 while an engine is running, 0 also while it is silent.", _W)
WORKSPACE_WRITABLE = GaugeMetric(
    "bondx_workspace_writable", "0 while nothing can be recorded: the disk is full, or refuses writes.", _W
)
STATE_PROBLEMS = GaugeMetric(
    "bondx_state_problems", "Files that cannot be read; for settings and policy, `policy_unusable` fires.", _W
)

TELEMETRY_LAG = GaugeMetric(
    "bondx_telemetry_lag_seconds",
    "Age of the newest stored sample of the machine; an engine stores one a second. Absent after three minutes.",
    _W,
)
WORKER_UP = GaugeMetric(
    "bondx_engine_worker_up",
    "1 while the worker of the engine works or waits; 0 while it hangs, restarts after a failure, or has ended.",
    _W,
    _WORKER,
)
WORKER_AGE = GaugeMetric(
    "bondx_engine_worker_age_seconds", "Time since the worker last began or ended a step.", _W, _WORKER
)
WORKER_FAILURES = CounterMetric(
    "bondx_engine_worker_failures", "Steps of the worker that failed since the engine started.", _W, _WORKER
)

_A = Group.ALERTING
ALERTS = GaugeMetric("bondx_alerts", "Open alerts.", _A, ("rule", "model", "severity", "state"))
ALERT = GaugeMetric(
    "bondx_alert",
    "1 for each open alert, the most severe first, at most 500.",
    _A,
    ("rule", "severity", "state", "fingerprint", "source", "model", "version", "session"),
)
ALERT_LIMIT = GaugeMetric(
    "bondx_alert_limit", "Each number of the settings under alerts, such as cpu_percent_max.", _A, ("name",)
)
RULES_FAILING = GaugeMetric(
    "bondx_alert_rules_failing",
    "Rules of the rule files that could not be evaluated last, or whose templates failed.",
    _A,
)
SILENCES_ACTIVE = GaugeMetric("bondx_silences_active", "Silences that hide alerts now.", _A)
NOTIFICATIONS = CounterMetric(
    "bondx_notifications",
    "Attempts to send a notification to the receiver, by outcome: delivered or failed.",
    _A,
    ("receiver", "outcome"),
)
NOTIFICATIONS_WAITING = GaugeMetric(
    "bondx_notifications_waiting", "Notifications that are still to be delivered.", _A, ("receiver",)
)
CHANNELS_DEAD = GaugeMetric(
    "bondx_notification_channels_dead",
    "Channels of the receiver that are left alone after failures.",
    _A,
    ("receiver",),
)

TRACE_SPANS = CounterMetric(
    "bondx_trace_spans",
    "Spans that the OpenTelemetry collector has taken (sent), or not (lost): of the engine, or of the server.",
    Group.TRACES,
    ("result",),
)

CATALOGUE: tuple[GaugeMetric | CounterMetric | HistogramMetric, ...] = (
    *(spec for spec in globals().values() if isinstance(spec, GaugeMetric | CounterMetric | HistogramMetric)),
    *BASELINES.values(),
)
