"""The compliance checker: which trades a regime binds, whether they were reported in time, and what looks suspicious.

regimes.py     the list of regimes; a new one is a module and one entry
remit.py, emir.py, mifid.py, dodd_frank.py   one regime each
regime.py      what a regime is, and its judgement
scope.py       which trades are derivatives, and what they are worth
reports.py     reports in time, late and missing; the identifiers of a report
limits.py      position limits of trades and of net positions
thresholds.py  figures of the whole firm
wash.py, off_market.py   the detectors; contracts.py tells contracts apart
check.py       all of it at once; table.py the table of trades and regimes; scoring.py against a known truth
trades.py      trades as plain arrays; labels.py words, lei.py identifiers, reading.py a user's own file
calendars.py   working days
constants.py   every number, with its grade and source
"""
