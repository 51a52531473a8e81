"""Rehearsal: the recorded past under another policy. What was recorded is replayed; all else is said to be unknown.

documents.py   a rehearsal and its events
promotions.py  promotions and rollbacks, judged again by their recorded evidence
judging.py     the recorded evidence of a retraining, judged again
triggers.py    the triggers of one model, replayed over the recorded monitoring
rehearse.py    all of it for a workspace

Nothing is changed, and nothing is computed anew: no model is trained, and no request is answered.
"""
