"""Drawings for the terminal that take plain values and send only what changed."""
