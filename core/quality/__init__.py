"""Quality gates: named checks with a threshold, a value, a sample size and a verdict."""
