"""Delivery of notifications: a durable outbox, a thread for each receiver, and the channels.

`message.py` and `wording.py` say what is told; `outbox.py` keeps what is to be sent and what became of it; `sender.py`
sends, retries and falls over, `breaker.py` decides when; `receivers.py` makes the channels of `channels/` from the
configuration; `secret.py` and `http.py` keep secrets and receivers within their limits; `heartbeat.py`,
`acknowledgements.py` and `trial.py` are messages of their own.
"""
