"""Value at risk, expected shortfall and their back-tests: pure functions of arrays.

Every P&L is signed (a loss is negative), every risk figure is the loss that it warns of (a loss is positive), both in
the same currency. A level is a share such as 0.99.

historical.py   VaR and ES of the days seen, for one window or rolling
parametric.py   VaR and ES of a normal law, from exposures and a covariance or from the days seen
measures.py     the five figures of a risk report
backtests.py    the tests by Kupiec and Christoffersen, and the whole back-test of a series
traffic.py      the traffic light of the Basel Committee
arguments.py    what the functions refuse
"""
