"""Tests of the whole tree. What folders share is here: fixtures in conftest.py, the rest in modules."""
