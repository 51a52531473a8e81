"""The domains: each has its data, its checks and its models.

domain.py     the interface of a domain
registry.py   the list of domains
catalogue.py  the models of all domains, by name
bonds/        synthetic bonds with a known truth
table/        a user's own file
"""
