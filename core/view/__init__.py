"""What every face shows: the snapshot of a workspace, now or in the recorded past.

snapshot.py  one immutable picture
parts/       what it is made of: the one list that drives reading, recording and playback
source.py    snapshots of now, at little cost while nothing changes
past/        snapshots of then
"""
