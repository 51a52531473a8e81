"""The domains: each has its data, its checks and its models.

domain.py     the interface of a domain
registry.py   the list of domains
catalogue.py  the models of all domains, by name
bonds/        synthetic bonds with a known truth
etrm/         energy trading: risk measures and their back-tests
table/        a user's own file
"""
