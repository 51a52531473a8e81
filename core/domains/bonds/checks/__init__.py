"""The checks of a bond panel.

check_set.py   the list: only gates in it are applied
dates.py       impossible maturities
relations.py   worse ratings pay and default more, longer bonds pay more
rules.py       market rules by sector
"""
