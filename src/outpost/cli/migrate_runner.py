"""Runs one sub-command of `outpost migrate`: over which stores, until when, and what its end is in exit codes.

A first SIGINT, SIGTERM or SIGHUP lets it end after a checkpoint, a second one at once. Whoever ignored SIGHUP for it,
as `nohup` does, wants it to outlive the terminal.
"""

import argparse
import asyncio
import os
import signal
from collections.abc import Sequence
from datetime import timedelta
from typing import NoReturn

from outpost.cli import exit_codes, migrate_output
from outpost.cli.answers import answer_error, answer_interrupted
from outpost.cli.main import SettingsLoader
from outpost.cli.migrate_commands import COMMANDS
from outpost.cli.migrate_progress import Display, open_display
from outpost.cli.output import OutputLost, complain, say
from outpost.domain.errors import ConfigurationError
from outpost.migrations.coordinator import Coordinator
from outpost.migrations.errors import MigrationError
from outpost.migrations.line import Line
from outpost.migrations.report import Family
from outpost.wiring.migrations import migration_lines

_INTERRUPTED = "Interrupted; what was done is kept. Run it again to continue."
_INTERRUPTED_EARLY = "Interrupted; nothing was changed."
_FAREWELL = timedelta(seconds=4)
"""What an interrupted run may take to write its checkpoint and free the lock; a store that is silent gets no more."""

_SIGNAL_EXITS = {
    signal.SIGINT: exit_codes.INTERRUPTED,
    signal.SIGTERM: exit_codes.TERMINATED,
    signal.SIGHUP: exit_codes.HUNG_UP,
}


def run_command(args: argparse.Namespace, settings_loader: SettingsLoader) -> int:
    """Run one sub-command and return its exit code.

    Raises:
        ConfigurationError: Of the configuration, or an argument names what is not there.
        OutputLost: What it has to say could not be written.
    """
    try:
        lines = _lines(args, settings_loader)
        _name_stores(args, lines)
        display = open_display(args)
        try:
            return _run(args, lines, display)
        finally:
            display.close()
    except ConfigurationError as error:
        answer_error(args, error)
        raise


def _lines(args: argparse.Namespace, settings_loader: SettingsLoader) -> Sequence[Line]:
    settings = settings_loader()
    for warning in settings.warnings:
        complain(f"Warning: {warning}")
    return migration_lines(settings, family=_family(args))


def _family(args: argparse.Namespace) -> Family | None:
    if args.sql_only and args.redis_only:
        raise ConfigurationError("--sql-only and --redis-only exclude each other; give one or none")
    return "sql" if args.sql_only else "redis" if args.redis_only else None


def _name_stores(args: argparse.Namespace, lines: Sequence[Line]) -> None:
    if args.json:
        return
    try:
        say(migrate_output.stores(lines))
    except OutputLost:
        if not COMMANDS[args.command].changes:
            raise
        # The work is done also where nobody can read of it; the answer at its end is lost in the same way, and told.


def _run(args: argparse.Namespace, lines: Sequence[Line], display: Display) -> int:
    try:
        code = asyncio.run(_work(args, lines, display))
    except MigrationError as error:
        display.close()
        complain(f"Error: {error}")
        answer_error(args, error)
        return error.exit_code
    if code == exit_codes.DONE and display.lost is not None:
        raise display.lost
    return code


async def _work(args: argparse.Namespace, lines: Sequence[Line], display: Display) -> int:
    interrupted: list[int] = []
    task = asyncio.current_task()
    assert task is not None

    def leave(code: int) -> NoReturn:
        """End the process as it is: leases and checkpoints are made for that."""
        _say_interrupted(args, display)
        os._exit(code)

    def interrupt(number: signal.Signals) -> None:
        if interrupted:  # a second time: at once
            leave(_SIGNAL_EXITS[number])
        interrupted.append(_SIGNAL_EXITS[number])
        task.cancel()
        loop.call_later(_FAREWELL.total_seconds(), leave, _SIGNAL_EXITS[number])

    loop = asyncio.get_running_loop()
    for number in _SIGNAL_EXITS:
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue
        loop.add_signal_handler(number, interrupt, number)
    try:
        async with Coordinator(lines, observe=display.show, waiting=display.waiting) as coordinator:
            return await COMMANDS[args.command].run(coordinator, args, display)
    except asyncio.CancelledError:
        if not interrupted:
            raise
        display.close()
        _say_interrupted(args, display)
        return interrupted[0]


def _say_interrupted(args: argparse.Namespace, display: Display) -> None:
    answer_interrupted(args, _INTERRUPTED if display.began else _INTERRUPTED_EARLY)
