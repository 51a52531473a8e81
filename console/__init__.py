"""What a person touches: the console, its screens and dialogs, and the command line."""
