"""Performance of live versions with labels, from recorded predictions and their outcomes, however late they come.

watch.py             the engine's watcher: reads what is new, adds it up, reports
state.py             what is remembered: sums by hour, by day and slice, of the whole life, by caller
layout.py            what is added up, by kind of answer; row_sums.py from rows to sums
metrics.py           metrics from sums; deciding.py the loss that decides a verdict
sequences.py         intervals that hold at every look; dependence.py how alike the outcomes of one caller are
held_out.py          the references in the profile; verdict.py fell, holds, or open
worst_slice.py       slices against their own held-out rows; recorded_slices.py the levels that predictions carry
calibration.py       the reliability curve and its test
report.py            all of it in one report; shown.py the form in which every face shows it
residual_counts.py   residuals by minute, in the bins of the profile
"""
