"""Reading and writing models as data, never as code."""
