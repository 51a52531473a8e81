"""The engine: the one holder of a workspace's lease, and the threads that work for it."""
