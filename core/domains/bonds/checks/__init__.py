"""The checks of a bond panel.

check_set.py   the list: only gates in it are applied
dates.py       impossible maturities
identities.py  columns that say the same thing twice: ratings, dates, yields, prices
labels.py      labels that never vary
relations.py   worse ratings pay and default more, longer bonds pay more, illiquid bonds cost more to trade
rules.py       market rules by sector
"""
