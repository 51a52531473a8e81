"""Agents: several sessions side by side under one parent, which shares out the processor and compares them."""
