"""Stress tests of energy positions: scenarios, exact revaluation from the forward curves of the price model, risk."""
