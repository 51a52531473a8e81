"""Completion in the shell: what can follow the words of an unfinished command line.

The scripts (`bondx.bash`, `bondx.zsh`, `bondx.fish`) know nothing of the commands: at each Tab they ask the program,
which imports the module of the typed command alone. So a script never lags behind the program.
"""
