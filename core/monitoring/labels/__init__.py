"""Few labels: rows drawn with known chances, and what their outcomes prove of all rows.

sampling.py  the chances, the draws, and bounds of the mean loss that hold at every look
strata.py    the expected losses where only the answers are known
draws.py     draws of recorded requests, kept in the workspace
judging.py   what the outcomes that came prove, and by when the others decide
answers.py   what is answered about wanted requests
watch.py     the watcher of live versions
"""
