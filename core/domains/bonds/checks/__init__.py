"""What a panel of bonds is held to.

check_set.py   the list: a gate that is not in it is not applied
dates.py       maturities that cannot be
relations.py   worse ratings pay and default more, longer bonds pay more
rules.py       what a sector may issue
"""
