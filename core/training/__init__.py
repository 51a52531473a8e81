"""Training: sessions as documents, the loop that carries them out, and the child process that crunches."""
