"""The decoder: a small transformer, its training and its weights. Everything here imports torch."""
