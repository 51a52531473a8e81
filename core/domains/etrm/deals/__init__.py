"""Panels of deals for training: features, labels, and the law of the labels, which makes every optimum known.

settings.py     the domain's own settings; light
calibration.py  every constant, with its grade
markets.py      what a simulated price path says on a day: prices, volatilities, curve slopes
books.py        books, their days, and the chance of a breach
scores.py       the law of the risk score, and its levels
quotes.py       deal prices beside the market's, and the off-market ones
panel.py        the whole panel
columns.py      the column dictionary
"""
