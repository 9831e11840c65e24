"""Asking a person yes or no."""

import sys


def confirmed(question: str) -> bool:
    """Ask on a terminal, and say so if the answer is no; without a terminal nobody can answer, which counts as no.

    `y` and `yes` in any case are yes; everything else, an empty line and the end of input included, is no.
    """
    if not sys.stdin.isatty():
        print(
            f"Error: {question} There is no terminal to ask at, so nothing was changed; add --yes to go on unasked",
            file=sys.stderr,
        )
        return False
    print(f"{question} [y/N] ", end="", flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    print("Cancelled; nothing was changed.", file=sys.stderr)
    return False
