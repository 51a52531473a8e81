"""Texts of energy trading from a grammar whose every odd is known."""
