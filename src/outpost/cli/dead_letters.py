"""`outpost dead-letters`: what was given up, and sending it back to where it died."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from outpost.cli import exit_codes
from outpost.cli.answers import agreed, answer, answer_error
from outpost.cli.main import SettingsLoader
from outpost.cli.options import add_settings_help
from outpost.cli.output import complain
from outpost.codec import format_time
from outpost.config.settings import Settings
from outpost.domain.errors import ConfigurationError, Unavailable
from outpost.ports.dead_letters import DeadLetters, Redriven

_Chosen = Mapping[str, DeadLetters]
_T = TypeVar("_T")


class _Found(msgspec.Struct, frozen=True):
    """What lies in one place; see `DeadLetters.oldest_at`."""

    letters: int
    oldest_at: datetime | None


_KINDS = ("delivery", "log", "retry", "parked")
_QUEUE_HELP = "only those of the delivery queue, the log queue, the retries, or the parked tasks of slow destinations"


def configure(parser: argparse.ArgumentParser) -> None:
    add_settings_help(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    list_text = "count them, and say since when the oldest retries lie there"
    redrive_text = "send them back to where they died, to be tried again"
    list_ = commands.add_parser("list", help=list_text, description=list_text, allow_abbrev=False)
    redrive = commands.add_parser("redrive", help=redrive_text, description=redrive_text, allow_abbrev=False)
    redrive.add_argument("--limit", type=_count, metavar="N", help="look at the N oldest of each queue only")
    redrive.add_argument("--yes", "-y", action="store_true", help="do not ask")
    for command in (list_, redrive):
        command.add_argument("--queue", choices=_KINDS, help=_QUEUE_HELP)
        command.add_argument("--json", action="store_true", help="print one JSON document")
        add_settings_help(command)


def run(args: argparse.Namespace, settings_loader: SettingsLoader) -> int:
    """Raises ConfigurationError: of the configuration, or it has no dead letters."""
    try:
        settings = settings_loader()
        for warning in settings.warnings:
            complain(f"Warning: {warning}")
        return asyncio.run(_run(args, settings))
    except ConfigurationError as error:
        answer_error(args, error)
        raise


async def _run(args: argparse.Namespace, settings: Settings) -> int:
    from outpost.wiring.dead_letters import open_dead_letters

    async with open_dead_letters(settings) as all_letters:
        chosen = {name: letters for name, letters in all_letters.items() if args.queue in (None, name)}
        return await (_list if args.command == "list" else _redrive)(args, chosen)


async def _list(args: argparse.Namespace, chosen: _Chosen) -> int:
    found, failures = await _each(chosen, _look)
    rows = [{"queue": name, "place": chosen[name].place, **msgspec.structs.asdict(of)} for name, of in found.items()]
    return _answer(args, _table(chosen, found), failures, queues=rows)


async def _redrive(args: argparse.Namespace, chosen: _Chosen) -> int:
    if not args.yes:
        found, failures = await _each(chosen, _look)
        if failures:  # nobody can agree to what cannot be counted
            return _answer(args, _table(chosen, found), failures, queues=[])

        async def shown() -> str:
            return _table(chosen, found)

        is_wanted = any(each.letters for each in found.values())
        if is_wanted and not await agreed(args, shown, "Send them back to where they died?"):
            return exit_codes.CANCELLED
    done, failures = await _each(chosen, lambda letters: letters.redrive(args.limit))
    rows = [{"queue": name, "place": chosen[name].place, **msgspec.structs.asdict(of)} for name, of in done.items()]
    text = "\n".join(f"  {name:<8}  {_told(became)}" for name, became in done.items())
    return _answer(args, text, failures, queues=rows)


async def _each(
    chosen: _Chosen, step: Callable[[DeadLetters], Awaitable[_T]]
) -> tuple[Mapping[str, _T], Sequence[Unavailable]]:
    """Return what came of each queue, and why nothing came of the others."""
    results: dict[str, _T] = {}
    failures: list[Unavailable] = []
    for name, letters in chosen.items():
        try:
            results[name] = await step(letters)
        except Unavailable as error:
            failures.append(error)
    return results, failures


def _answer(args: argparse.Namespace, text: str, failures: Sequence[Unavailable], **document: Any) -> int:
    if failures:
        document["error"] = {"code": failures[0].code, "message": str(failures[0])}
    answer(args, text, ok=not failures, **document)
    for failure in failures:
        complain(f"Error: {failure}")
    return exit_codes.UNREACHABLE if failures else exit_codes.DONE


async def _look(letters: DeadLetters) -> _Found:
    return _Found(await letters.count(), await letters.oldest_at())


def _table(chosen: _Chosen, found: Mapping[str, _Found]) -> str:
    width = max(len(letters.place) for letters in chosen.values())
    lines = [
        f"  {name:<8}  {chosen[name].place:<{width}}  {of.letters:>7,}"
        + (f"  the oldest since {format_time(of.oldest_at)}" if of.oldest_at else "")
        for name, of in found.items()
    ]
    return "\n".join(["Dead letters", *lines])


def _told(became: Redriven) -> str:
    notes = [f"{became.moved:,} sent back"]
    if became.superseded:
        notes.append(f"{became.superseded:,} removed, for what they ask for has been planned anew since")
    if became.left:
        notes.append(f"{became.left:,} cannot be read and stay")
    return "; ".join(notes)


def _count(text: str) -> int:
    if text.isascii() and text.isdigit() and int(text[:10]) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no whole number above 0")
