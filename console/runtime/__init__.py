"""The parts that run beside the screens: the poller, the embedded engine, hang-ups and the log."""
