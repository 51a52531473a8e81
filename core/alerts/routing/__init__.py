"""Who is told, when, and when again: Alertmanager's configuration, and the dispatcher that follows it.

`config.py` is the configuration, `reading.py` reads it with line and column, `time_intervals.py` its hours and days;
`groups.py` decides on one group of alerts, `dispatcher.py` on all, and keeps what was told durable.
"""
