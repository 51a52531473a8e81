"""Few labels: which rows' outcomes decide an open verdict, and what those outcomes prove."""
