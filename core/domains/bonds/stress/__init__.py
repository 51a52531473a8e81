"""Stress tests of bond portfolios: exact repricing, liquidity, rating cascades and tail risk under scenarios."""
