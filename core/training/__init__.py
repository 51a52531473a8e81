"""Training: sessions as documents, the loop that runs them, and the child process that does the computing."""
