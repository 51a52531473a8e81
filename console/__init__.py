"""The parts that people use: the console, its screens and dialogs, and the command line."""
