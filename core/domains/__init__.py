"""The domains: what there is to learn, from which data, and under which checks.

domain.py     what a domain is
registry.py   which domains there are
catalogue.py  the models of all domains, by name
bonds/        synthetic bonds with a known truth
table/        a user's own file
"""
