"""The control API: the verbs of the console and the command line, over HTTP under /api/v1/.

application.py  the Litestar application and its OpenAPI document
admission.py    who may call what
faults.py       errors as answers
models.py       registry: look, plan, apply
versions.py     what people say of versions: aliases, tags, approvals; the policy
sessions.py     training sessions
rollouts.py     rollouts
alerts.py       alerts
records.py      status, resources, runs, audit, doctor
prunes.py       removing versions and runs
outcomes.py     what turned out to be true of predictions
tokens.py       tokens
predict_paths.py  the predict dialects, for the OpenAPI document
"""
