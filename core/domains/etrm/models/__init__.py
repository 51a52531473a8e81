"""The models of energy trading: the risk score of a deal, a breach of its book's limit, and off-market prices."""
