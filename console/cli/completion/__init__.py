"""Completion in the shell: what can follow the words of an unfinished command line.

The scripts (`bondx.bash`, `bondx.zsh`, `bondx.fish`) know nothing of the commands: at each Tab they ask the program,
which imports the module of the typed command alone. So a script never lags behind the program.

Every start of the program imports this module, which therefore imports nothing itself.
"""

from collections.abc import Sequence

SHELLS = ("bash", "zsh", "fish")


def is_asked(words: Sequence[str]) -> bool:
    """Say whether a command line is the question of a script, such as `completion bash -- registry pro`.

    >>> is_asked(["completion", "bash", "--", "registry", ""]), is_asked(["completion", "bash"])
    (True, False)
    """
    return len(words) > 2 and words[0] == "completion" and words[1] in SHELLS and words[2] == "--"
