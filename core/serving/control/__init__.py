"""The control API: the verbs of the console and the command line, over HTTP under /api/v1/.

application.py  the Litestar application and its OpenAPI document
admission.py    who may call what
faults.py       errors as answers
models.py       registry: read, plan, apply
versions.py     aliases, tags and approvals of versions; the policy
sessions.py     training sessions
rollouts.py     rollouts
alerts.py       alerts
records.py      status, resources, runs, audit, doctor
prunes.py       removing versions and runs
given_rows.py   drift and estimated performance of given rows
stress.py       stress tests
outcomes.py     reported outcomes of predictions
tokens.py       tokens
predict_paths.py  the predict dialects, for the OpenAPI document
"""
