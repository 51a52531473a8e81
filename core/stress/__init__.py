"""Stress tests: a domain's scenarios, and users' own, on a portfolio. `core.domains.stress` has their types.

`choosing.py` finds engine, scenarios and portfolio; `scenario_file.py` reads users' scenarios; `stress_test.py` runs;
`report.py` has the result, `stored_tests.py` keeps the results, `comparison.py` compares two, and `reverse.py` searches
the smallest shock that loses too much.
"""
