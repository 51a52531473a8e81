"""Runs and models that come from other systems or go to them."""
