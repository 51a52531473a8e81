"""The domain of bonds: a synthetic panel with a known truth, its checks and its models."""
