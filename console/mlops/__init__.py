"""The command `bondx-mlops`: the verbs of a model's life on one's own data, over the same engine as `bondx`."""
