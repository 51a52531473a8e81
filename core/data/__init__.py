"""Data sets of the platform: what is generated, what is read, and where each came from."""
