"""From an artifact folder to a scorer that is verified against `Model.predict`.

scorer.py   a model's compiled scorer for single rows (`core.models.scoring`), or the model through a table
frames.py   rows as a table, for models that only read tables
warming.py  loading, verifying and warming
"""
