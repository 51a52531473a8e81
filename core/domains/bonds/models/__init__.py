"""The four bond models, and the best score that each can attain."""
