"""Tuning in sessions: the columns and the parameters of each model are searched before the first epoch.

plan.py            what the settings ask for, and what is left out
records.py         trials, where a search stands, and its verdict, as documents
outcome.py         the end of a search
stopping.py        why a search ends early
sections.py        the verdicts in the final report
trial_files.py     where the training child keeps them, so that a killed search goes on
session_search.py  the trials of a session, scored on folds of a draw of their own
verdict.py         whether the best recipe is better than the settings' own, on rows that chose nothing
feature_choice.py  which columns a model keeps, and the verdict
trial_rows.py      trials as rows, and a search in a line
words.py           parameters in words
trial_runs.py      every trial as a child of the session's run
"""
