"""The four bond models, and the best attainable score of each."""
