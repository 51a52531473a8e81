"""Performance without labels: what the scores of rows will turn out to be, once their outcomes are known.

held_out.py            rows that a version did not learn from, with answers and outcomes, in its artifact
shift_columns.py       the columns of rows as a matrix in which the reference and the live rows are compared
penalised_fits.py      logistic fits with a ridge penalty
density_ratio.py       how much likelier each held-out row is among the live rows
smooth_calibration.py  from the probability that a model answers to the share of events behind it
expected_scores.py     the scores that probabilities of events imply
resampling.py          the bootstrap over groups of held-out rows, and over live rows
events.py              the estimate for events, and for the share of right classes among several
numbers.py             the estimate for numbers
score_only.py          the weaker estimate for events from a profile alone
estimate.py            the estimate for any version, and its words
watch.py               the estimate of live versions, once an hour, and its record
"""
