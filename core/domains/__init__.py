"""The domains: each has its data, its checks and its models.

domain.py     the interface of a domain
registry.py   the list of domains
catalogue.py  the models of all domains, by name
bonds/        synthetic bonds with a known truth
etrm/         synthetic energy trades, risk measures with their back-tests, and compliance rules
table/        a user's own file
"""
