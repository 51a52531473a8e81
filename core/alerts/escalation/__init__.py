"""Who is told when nobody acknowledges an alert: steps after minutes, and the people on call.

`rotation.py` says who is on call at an instant, `policy.py` which steps an alert has; `escalation.py` decides which are
due and keeps what was told durable; `listing.py` is the list of people on call.
"""
