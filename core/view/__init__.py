"""The snapshot of a workspace, now or in the recorded past.

snapshot.py  one immutable picture
parts/       its parts: the one list that drives reading, recording and playback
source.py    snapshots of the present
past/        the recorded past: recording it, and snapshots of it
"""
