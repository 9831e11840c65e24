"""The sub-commands of `outpost migrate`, run over the lines that the configuration names."""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, NoReturn

import msgspec

from outpost.cli import exit_codes, migrate_output
from outpost.cli.main import SettingsLoader
from outpost.cli.migrate_progress import Display, open_display
from outpost.cli.prompt import can_ask, confirmed
from outpost.domain.errors import ConfigurationError, OutpostError
from outpost.migrations.coordinator import ApplyRequest, Coordinator
from outpost.migrations.errors import MigrationError
from outpost.migrations.line import VerifyRequest
from outpost.migrations.report import Family
from outpost.migrations.run import Limits
from outpost.migrations.steering import SteeringChange
from outpost.wiring.migrations import migration_lines

_INTERRUPTED = "Interrupted; what was done is kept. Run it again to continue."
_INTERRUPTED_EARLY = "Interrupted; nothing was changed."
_WATCH_EVERY = timedelta(seconds=2)
_FAREWELL = timedelta(seconds=4)
"""What an interrupted run may take to write its checkpoint and free the lock; a store that is silent gets no more."""

_SIGNAL_EXITS = {signal.SIGINT: exit_codes.INTERRUPTED, signal.SIGTERM: exit_codes.TERMINATED}


def run_command(args: argparse.Namespace, settings_loader: SettingsLoader) -> int:
    """Run one sub-command and return its exit code; a first SIGINT or SIGTERM lets it end after a checkpoint.

    Raises:
        ConfigurationError: Of the configuration, or an argument names what is not there.
    """
    try:
        return _run(args, settings_loader)
    except ConfigurationError as error:
        _document(args, ok=False, error=_failure(error))
        raise


def _run(args: argparse.Namespace, settings_loader: SettingsLoader) -> int:
    command = _COMMANDS[args.migrate_command]
    lines = migration_lines(settings_loader(), family=_family(args))
    if not args.json:
        print(migrate_output.stores(lines), flush=True)
    display = open_display(args)

    async def work() -> int:
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
            loop.add_signal_handler(number, interrupt, number)
        try:
            async with Coordinator(lines, observe=display.show, waiting=display.waiting) as coordinator:
                return await command(coordinator, args, display)
        except asyncio.CancelledError:
            if not interrupted:
                raise
            display.close()
            _say_interrupted(args, display)
            return interrupted[0]

    try:
        return asyncio.run(work())
    except MigrationError as error:
        display.close()
        print(f"Error: {error}", file=sys.stderr)
        _document(args, ok=False, error=_failure(error))
        return error.exit_code
    finally:
        display.close()


def _say_interrupted(args: argparse.Namespace, display: Display) -> None:
    text = _INTERRUPTED if display.began else _INTERRUPTED_EARLY
    print(text, file=sys.stderr, flush=True)
    _document(args, ok=False, error={"code": "interrupted", "message": text})


async def _list(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    states = await coordinator.states()
    return _print(args, migrate_output.list_(states), migrations=states)


async def _plan(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    plan = await coordinator.plan(quick=args.quick)
    _print(args, migrate_output.plan(plan, verbose=args.verbose), steps=plan.steps, pending=len(plan.steps))
    return exit_codes.PENDING if args.detailed_exitcode and plan.steps else exit_codes.DONE


async def _apply(coordinator: Coordinator, args: argparse.Namespace, display: Display) -> int:
    if not await coordinator.pending(until=args.to):
        upto = f" up to {args.to}" if args.to else ""
        return _print(args, f"Nothing to do: every migration{upto} is applied.", applied=[])
    if not args.yes:

        async def planned() -> str:
            plan = await coordinator.plan(until=args.to)
            return migrate_output.plan(plan, verbose=args.verbose, asking=True)

        if not await _agreed(args, planned, "Apply these migrations?"):
            return exit_codes.CANCELLED
    applied = await coordinator.apply(_request(args))
    display.close()
    return _print(args, migrate_output.applied(applied), applied=applied.steps)


async def _verify(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    found = await coordinator.verify(VerifyRequest(sample=args.sample, seed=args.seed, full=args.full))
    _print(args, migrate_output.verification(found), ok=found.ok, full=found.full, checks=found.checks)
    return exit_codes.DONE if found.ok else exit_codes.DIFFERENT


async def _status(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    while True:
        status = await coordinator.status()
        _print(args, migrate_output.status(status), lines=status.lines, pending=[state.id for state in status.pending])
        if not args.watch or not status.pending:
            return exit_codes.PENDING if args.exit_code and status.pending else exit_codes.DONE
        await asyncio.sleep(_WATCH_EVERY.total_seconds())


async def _history(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    runs = await coordinator.history()
    return _print(args, migrate_output.history(runs), runs=runs)


async def _doctor(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    checks = await coordinator.doctor()
    ok = all(check.ok for check in checks)
    _print(args, migrate_output.diagnosis(checks), ok=ok, checks=checks)
    return exit_codes.DONE if ok else exit_codes.PREFLIGHT_REFUSED


async def _unlock(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    holders = [line.holder for line in (await coordinator.status()).lines if line.holder is not None]
    if holders and not args.yes:

        async def held() -> str:
            return "\n".join(migrate_output.lock(holder) for holder in holders)

        if not await _agreed(args, held, migrate_output.revoking(holders)):
            return exit_codes.CANCELLED
    evicted = await coordinator.unlock(store=args.store)
    return _print(args, migrate_output.unlocked(evicted), evicted=evicted)


async def _cleanup(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    items = await coordinator.cleanup_plan()
    if args.plan or not items:
        pending = [state.id for state in await coordinator.pending()] if items else []
        text = migrate_output.cleanup(items, done=False, pending=pending)
        return _print(args, text, items=items, pending=pending)
    if not args.yes:

        async def listed() -> str:
            return migrate_output.cleanup(items, done=False)

        if not await _agreed(args, listed, "Remove it for good?"):
            return exit_codes.CANCELLED
    removed = await coordinator.cleanup(_request(args), force=args.force)
    return _print(args, migrate_output.cleanup(removed, done=True), items=removed)


async def _quarantine(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    match args.quarantine_command:
        case "list":
            records = await coordinator.quarantined()
            return _print(args, migrate_output.quarantine(records), records=records)
        case "show":
            shown = await coordinator.show_quarantined(args.key)
            return _print(args, "\n".join(shown), lines=shown)
        case "retry":
            count = await coordinator.retry_quarantined(_request(args), args.keys)
            return _print(args, migrate_output.decided(f"{count} taken back", count), count=count)
        case _:
            count = await coordinator.accept_quarantined(_request(args), args.keys, args.reason)
            return _print(args, migrate_output.decided(f"{count} accepted as they are", count), count=count)


async def _pause(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    return await _steer(coordinator, args, SteeringChange(paused=True))


async def _resume(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    return await _steer(coordinator, args, SteeringChange(paused=False))


async def _throttle(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    return await _steer(coordinator, args, SteeringChange(max_latency_ms=None if args.off else args.max_latency))


async def _steer(coordinator: Coordinator, args: argparse.Namespace, change: SteeringChange) -> int:
    asked = await coordinator.steer(change)
    return _print(args, migrate_output.steered(asked), heard=asked is not None, steering=asked)


_Command = Callable[[Coordinator, argparse.Namespace, Display], Awaitable[int]]
_COMMANDS: dict[str, _Command] = {
    "list": _list,
    "plan": _plan,
    "apply": _apply,
    "verify": _verify,
    "status": _status,
    "history": _history,
    "doctor": _doctor,
    "unlock": _unlock,
    "cleanup": _cleanup,
    "quarantine": _quarantine,
    "pause": _pause,
    "resume": _resume,
    "throttle": _throttle,
}


def _family(args: argparse.Namespace) -> Family | None:
    if args.sql_only and args.redis_only:
        raise ConfigurationError("--sql-only and --redis-only exclude each other; give one or none")
    return "sql" if args.sql_only else "redis" if args.redis_only else None


def _request(args: argparse.Namespace) -> ApplyRequest:
    given = vars(args)
    limits = {
        "max_latency_ms": given.get("max_latency"),
        "max_replica_lag_seconds": given.get("max_replica_lag"),
        "max_memory_share": given.get("max_memory"),
        "batch": given.get("batch"),
        "quarantine_limit": given.get("quarantine_limit"),
    }
    return ApplyRequest(
        until=given.get("to"),
        lock_seconds=args.lock_timeout,
        single_runner=args.single_runner,
        limits=Limits(
            **{name: value for name, value in limits.items() if value is not None},
            fuse=not given.get("no_fuse", False),
            allow_blocking=given.get("allow_blocking", False),
        ),
    )


async def _agreed(args: argparse.Namespace, shown: Callable[[], Awaitable[str]], question: str) -> bool:
    """Ask a person, and say so if the answer is no; nobody can answer without a terminal, or in JSON."""
    if args.json or not can_ask():
        why = "--json asks nothing" if args.json else "There is no terminal to ask at"
        text = f"{question} {why}, so nothing was changed; add --yes to go on unasked"
        print(f"Error: {text}", file=sys.stderr)
    else:
        print(await shown())
        if await confirmed(question):
            return True
        text = "Cancelled; nothing was changed."
        print(text, file=sys.stderr)
    _document(args, ok=False, error={"code": "cancelled", "message": text})
    return False


def _print(args: argparse.Namespace, text: str, *, ok: bool = True, **document: Any) -> int:
    _document(args, ok=ok, **document)
    if not args.json:
        print(text, flush=True)
    return exit_codes.DONE


def _document(args: argparse.Namespace, *, ok: bool, **document: Any) -> None:
    """Print the document of `--json`, and nothing without that."""
    if args.json:
        head: dict[str, Any] = {"schema": 1, "command": args.migrate_command, "ok": ok}
        print(msgspec.json.encode({**head, **document}).decode(), flush=True)


def _failure(error: OutpostError) -> dict[str, str]:
    return {"code": error.code, "message": str(error)}
