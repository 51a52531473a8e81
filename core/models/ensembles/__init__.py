"""Several models as one: the weights of the members, and whether the ensemble is better than its best member.

The learners that combine members are in `core.models.learners`, beside those that they combine; this package has what
they rest on, as pure functions.
"""
