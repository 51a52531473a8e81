"""Learners that know no domain: boosting, linear, forests."""
