"""Alerts on models that behave unusually: an isolation forest over their metrics, each freed of its season.

`metric_vector.py` reads the metrics of a model from the recorded series, `baseline.py` takes the season out of them,
`forest.py` scores what is left, `detector.py` puts both together and sets the limit, `scoring.py` records the scores
of a workspace as series, and `replaying.py` does so over the past. The rules that fire on these series are made by
`core/alerts/rule_files/anomaly_rules.py`.
"""
