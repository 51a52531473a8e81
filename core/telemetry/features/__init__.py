"""Sampled rows of features, kept only where `serving.log_features` says so: `writer.py` stores, `reader.py` reads."""

from core.telemetry.features.reader import LoggedFeatures, logged_features
from core.telemetry.features.records import FeatureBatch
from core.telemetry.features.writer import FeatureWriter

__all__ = ["FeatureBatch", "FeatureWriter", "LoggedFeatures", "logged_features"]
