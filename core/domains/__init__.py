"""The domains: what there is to learn, from which data, and under which checks."""
