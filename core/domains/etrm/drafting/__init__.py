"""Drafts about rows of energy trading, in which every number is traced to its cell and checked."""
