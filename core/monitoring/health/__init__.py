"""The health of a live version: one state, and the reasons for it in the order of their weight.

facts.py      what is known of a version when it is assessed
serving.py    reasons from serving: not loaded, silent, errors, latency
answers.py    reasons from what it is asked and answers: drift, data quality, performance, its estimate, staleness
assess.py     facts + policy -> state, reasons, what is missing; no disk and no clock of its own
"""
