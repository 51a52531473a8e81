"""The channels, one module each: what a receiver is sent, and in which form. `receivers.py` beside them chooses one."""
