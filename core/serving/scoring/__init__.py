"""From an artifact folder to a scorer that has proven itself against `Model.predict`.

scorer.py   a model's own form for single rows (`core.models.scoring`), or the model through a table
frames.py   rows as a table, for models that read nothing else
warming.py  loading, proving and warming
"""
