"""The recorded past of a workspace: what every document said at any instant of the last hours.

pages.py     a snapshot taken apart into documents, and put together again
recorder.py  what the engine's worker writes them down with (`core.telemetry.past` keeps them)
replay.py    a snapshot as of an instant, and the way from one moment to the next
"""
