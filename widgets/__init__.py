"""Drawings for the terminal that take plain values and send only the cells that changed."""
