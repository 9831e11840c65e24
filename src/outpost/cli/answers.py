"""What a sub-command answers: text or, with `--json`, one document; and what it asks."""

import argparse
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec

from outpost.cli import exit_codes
from outpost.cli.output import OutputLost, complain, say
from outpost.cli.prompt import can_ask, confirmed
from outpost.domain.errors import OutpostError
from outpost.migrations.report import LineFailure


def answer(args: argparse.Namespace, text: str, *, ok: bool = True, **document: Any) -> int:
    """Say what was found or done, and return the exit code of what went well.

    Args:
        document: The fields of the document that stands for `text`.

    Raises:
        OutputLost: It cannot be written.
    """
    say(_document(args, ok=ok, **document) if args.json else text)
    return exit_codes.DONE


def answer_found(args: argparse.Namespace, text: str, failures: Sequence[LineFailure], **document: Any) -> int:
    """`answer` with what is known, and say of each store that could not be read why; return the exit code.

    Raises:
        OutputLost: What is known cannot be written.
    """
    if failures:
        first = failures[0]
        document["error"] = {"code": first.code, "message": first.message}
    code = answer(args, text, ok=not failures, **document, failures=failures)
    for failure in failures:
        complain(f"Error: {failure.message}")
    return failures[0].exit_code if failures else code


def answer_error(args: argparse.Namespace, error: OutpostError) -> None:
    """Say in the document why a command failed; that it failed matters more than a lost answer."""
    _answer_failure(args, error.code, str(error))


def answer_interrupted(args: argparse.Namespace, text: str) -> None:
    """Say that a signal ended the command, as far as anybody still listens."""
    complain(text)
    _answer_failure(args, "interrupted", text)


async def agreed(args: argparse.Namespace, shown: Callable[[], Awaitable[str]], question: str) -> bool:
    """Ask a person, and say so if the answer is no; nobody can answer without a terminal, or in JSON.

    Raises:
        OutputLost: Nobody can see what the question is about.
    """
    if args.json or not can_ask():
        why = "--json asks nothing" if args.json else "There is no terminal to ask at"
        text = f"{question} {why}, so nothing was changed; add --yes to go on unasked"
        complain(f"Error: {text}")
    else:
        say(await shown())
        if await confirmed(question):
            return True
        text = "Cancelled; nothing was changed."
        complain(text)
    _answer_failure(args, "cancelled", text)
    return False


def _answer_failure(args: argparse.Namespace, code: str, message: str) -> None:
    if args.json:
        with contextlib.suppress(OutputLost):
            say(_document(args, ok=False, error={"code": code, "message": message}))


def _document(args: argparse.Namespace, *, ok: bool, **document: Any) -> str:
    head: dict[str, Any] = {"schema": 1, "command": args.command, "ok": ok}
    return msgspec.json.encode({**head, **document}).decode()
