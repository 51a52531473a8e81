"""Where trials, folds and members are computed: threads, processes of this machine, or a Dask cluster.

Learners and searches ask for the `executor()` in force (`in_force.py`) and hand it `Work` (`work.py`). The results are
the same on each. Nothing is imported here: the errors are read where NumPy must not be loaded.
"""
