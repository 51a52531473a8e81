"""The recorded past of a workspace: the state of every document at any instant of the last hours.

pages.py     a snapshot taken apart into documents, and put together again
recorder.py  records the documents for the engine's worker (`core.telemetry.past` stores them)
replay.py    a snapshot of a past instant, and steps between moments
"""
