"""Asking a person yes or no."""

import sys


def confirmed(question: str) -> bool:
    """Ask on a terminal; without one nobody can answer, which counts as no.

    `y` and `yes` in any case are yes; everything else, an empty line and the end of input included, is no.
    """
    if not sys.stdin.isatty():
        print(f"{question} There is no terminal to ask at; add --yes to go on without asking.", file=sys.stderr)
        return False
    print(f"{question} [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
