"""The domain of energy trading: value at risk and its back-tests."""
