"""What runs beside the screens: the poller, the embedded engine, hang-ups, frames and the log."""
