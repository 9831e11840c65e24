"""The sub-commands of `outpost migrate`: each asks the coordinator, answers, and says with which exit code."""

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from outpost.cli import exit_codes, migrate_output
from outpost.cli.answers import agreed, answer, answer_found
from outpost.cli.migrate_progress import Display
from outpost.migrations.coordinator import ApplyRequest, Coordinator
from outpost.migrations.line import VerifyRequest
from outpost.migrations.owner import this_process
from outpost.migrations.run import Limits
from outpost.migrations.steering import SteeringChange, pausing, resuming

_WATCH_EVERY = timedelta(seconds=2)


async def _list(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    found = await coordinator.listing()
    return answer_found(args, migrate_output.list_(found), found.failures, migrations=found.migrations)


async def _plan(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    plan = await coordinator.plan(quick=args.quick)
    answer(args, migrate_output.plan(plan, verbose=args.verbose), steps=plan.steps, pending=len(plan.steps))
    return exit_codes.PENDING if args.detailed_exitcode and plan.steps else exit_codes.DONE


async def _apply(coordinator: Coordinator, args: argparse.Namespace, display: Display) -> int:
    if not await coordinator.pending(until=args.to):
        upto = f" up to {args.to}" if args.to else ""
        return answer(args, f"Nothing to do: every migration{upto} is applied.", applied=[])
    if not args.yes:

        async def planned() -> str:
            plan = await coordinator.plan(until=args.to)
            return migrate_output.plan(plan, verbose=args.verbose, asking=True)

        if not await agreed(args, planned, "Apply these migrations?"):
            return exit_codes.CANCELLED
    applied = await coordinator.apply(_request(args))
    display.close()
    return answer(args, migrate_output.applied(applied), applied=applied.steps)


async def _verify(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    found = await coordinator.verify(VerifyRequest(sample=args.sample, seed=args.seed, full=args.full))
    answer(args, migrate_output.verification(found), ok=found.ok, full=found.full, checks=found.checks)
    return exit_codes.DONE if found.ok else exit_codes.DIFFERENT


async def _status(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    while True:
        status = await coordinator.status()
        pending = [state.id for state in status.pending]
        text = migrate_output.status(status)
        code = answer_found(args, text, status.failures, lines=status.lines, pending=pending)
        if code != exit_codes.DONE:
            return code
        if not args.watch or not status.pending:
            return exit_codes.PENDING if args.exit_code and status.pending else exit_codes.DONE
        await asyncio.sleep(_WATCH_EVERY.total_seconds())


async def _history(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    runs = await coordinator.history()
    return answer(args, migrate_output.history(runs), runs=runs)


async def _doctor(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    found = await coordinator.doctor()
    answer(args, migrate_output.diagnosis(found.checks), ok=found.ok, checks=found.checks, failures=found.failures)
    if found.failures:
        return found.failures[0].exit_code
    return exit_codes.DONE if found.ok else exit_codes.PREFLIGHT_REFUSED


async def _unlock(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    holders = await coordinator.holders(store=args.store)
    if holders and not args.yes:

        async def held() -> str:
            return "\n".join(migrate_output.lock(holder) for holder in holders)

        if not await agreed(args, held, migrate_output.revoking(holders)):
            return exit_codes.CANCELLED
    evicted = await coordinator.unlock(store=args.store)
    return answer(args, migrate_output.unlocked(evicted), evicted=evicted)


async def _cleanup(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    items = await coordinator.cleanup_plan()
    if args.plan or not items:
        pending = [state.id for state in await coordinator.pending()] if items else []
        text = migrate_output.cleanup(items, done=False, pending=pending)
        return answer(args, text, items=items, pending=pending)
    if not args.yes:

        async def listed() -> str:
            return migrate_output.cleanup(items, done=False)

        if not await agreed(args, listed, "Remove it for good?"):
            return exit_codes.CANCELLED
    removed = await coordinator.cleanup(_request(args), force=args.force)
    return answer(args, migrate_output.cleanup(removed, done=True), items=removed)


async def _quarantine(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    match args.quarantine_command:
        case "list":
            records = await coordinator.quarantined()
            return answer(args, migrate_output.quarantine(records), records=records)
        case "show":
            shown = await coordinator.show_quarantined(args.key)
            return answer(args, "\n".join(shown), lines=shown)
        case "retry":
            count = await coordinator.retry_quarantined(_request(args), args.keys)
            return answer(args, migrate_output.decided(f"{count} taken back", count), count=count)
        case _:
            count = await coordinator.accept_quarantined(_request(args), args.keys, args.reason)
            return answer(args, migrate_output.decided(f"{count} accepted as they are", count), count=count)


async def _pause(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    person = this_process()
    return await _steer(coordinator, args, pausing(f"{person.user}@{person.host}", datetime.now(UTC)))


async def _resume(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    return await _steer(coordinator, args, resuming())


async def _throttle(coordinator: Coordinator, args: argparse.Namespace, _: Display) -> int:
    return await _steer(coordinator, args, SteeringChange(max_latency_ms=None if args.off else args.max_latency))


async def _steer(coordinator: Coordinator, args: argparse.Namespace, change: SteeringChange) -> int:
    asked = await coordinator.steer(change)
    return answer(args, migrate_output.steered(asked), heard=asked is not None, steering=asked)


class Command(NamedTuple):
    """A sub-command.

    Attributes:
        run: Does it and returns the exit code.
        changes: It may change something, which is done also where nobody can read what is said of it.
    """

    run: Callable[[Coordinator, argparse.Namespace, Display], Awaitable[int]]
    changes: bool = False


COMMANDS: dict[str, Command] = {
    "list": Command(_list),
    "plan": Command(_plan),
    "apply": Command(_apply, changes=True),
    "verify": Command(_verify),
    "status": Command(_status),
    "history": Command(_history),
    "doctor": Command(_doctor),
    "unlock": Command(_unlock, changes=True),
    "cleanup": Command(_cleanup, changes=True),
    "quarantine": Command(_quarantine, changes=True),
    "pause": Command(_pause, changes=True),
    "resume": Command(_resume, changes=True),
    "throttle": Command(_throttle, changes=True),
}


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
