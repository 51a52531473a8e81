"""The domain of energy trading: synthetic trades, value at risk with its back-tests, and compliance rules."""
