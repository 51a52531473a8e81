"""OpenTelemetry: the metrics of a process, sent to a collector over OTLP/HTTP.

`encoding.py` spells them as protobuf, `exporter.py` sends them from a thread of its own. It needs the extra `otel`.
"""
