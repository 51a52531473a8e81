"""Performance of live versions with labels, from recorded predictions and their outcomes, however late they come."""
