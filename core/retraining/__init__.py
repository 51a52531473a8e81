"""The closed loop: a model is trained anew on what is new, proven against the live version, rolled out and watched.

document.py      a retraining as a document: what people want of it, and what the engine observed, step by step
retrainings.py   the retrainings of a workspace, with the verbs of people and of the engine
facts.py         what triggers look at: the live version, its monitoring, the rows that have come
triggers.py      policy and facts -> what is due, what forbids it now, and why: pure
watching.py      starts the retrainings that are due
planning.py      the plan of every model, which `bondx retrain plan` shows
collecting.py    rows from served requests, files or a command, divided into rows to learn from and the newest rows
poisoning.py     what new rows must not hold: floods of one row, shifted or flipped labels
checking.py      the check of the collected rows against the live version
comparing.py     the new version against the live version on the same rows, with intervals and by slice
step_work.py     the steps that compute, as the child process performs them
child.py         the child process of one step; child_run.py starts and ends it
challenger_gates.py  what a policy wants of a new version beside its comparison: explained, and robust under stress
guarding.py      all guards against poisoning together; drift_evidence.py the drift of the collected rows
generator_plan.py, generated.py  the same steps where a domain draws the rows
leaderboard.py   the live version and its challengers by what both did; proposals.py proposes those shown to be better
rehearsal/       the recorded past under another policy
deploying.py     the steps that move versions: registration, rollout, watch, and the way back
pipeline.py      the state machine: desired and observed -> the next step

A face needs three names: `Retrainings` (verbs and documents), `Retraining` (one document) and `plans` (what is due and
why not now). A retraining goes through `StepName` in order; `Retraining.observed.steps` has one `RetrainingStep` each,
with its state, times, attempts, reason in words, evidence and cost. `desired` is what people want (running, held,
cancelled); `observed.phase` says where it stands, and `observed.reason` why, one sentence. `approvals` are people's.
"""
