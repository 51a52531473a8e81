"""The series of BondX: catalogue.py names each of them, and the collectors measure what a workspace has.

A server adds its own counters and answers `/metrics` with all of them (`core.serving.metrics`). The engine and every
server record theirs into the store of series (`core.telemetry.metrics`), where rule files look at them.
"""
