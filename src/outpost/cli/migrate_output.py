"""The text of every `outpost migrate` command: pure functions from what was reported to what is read."""

from collections.abc import Sequence
from datetime import datetime

from outpost.migrations.lease import describe
from outpost.migrations.line import Line
from outpost.migrations.report import (
    Applied,
    Books,
    Check,
    CleanupItem,
    Holder,
    LineFailure,
    LineStatus,
    Listing,
    MigrationState,
    Plan,
    PlannedStep,
    Progress,
    Quarantined,
    RunRecord,
    Status,
    Verification,
)
from outpost.migrations.steering import Steering


def stores(lines: Sequence[Line]) -> str:
    return "Stores    " + ", ".join(f"{line.name} {line.target}" for line in lines)


def list_(found: Listing) -> str:
    states = found.migrations
    pending = sum(not state.satisfied for state in states)
    width = max((len(state.id) for state in states), default=0)
    rows = [f"  {f'[{state.state}]':<16} {state.id:<{width}}  {_origin(state)}".rstrip() for state in states]
    rows += [_unknown(failure) for failure in found.failures]
    return "\n".join([*rows, "", f"{pending} pending of {len(states)}"])


def plan(plan: Plan, *, verbose: bool = False, asking: bool = False) -> str:
    """Return the plan; unless a question about it follows, it ends with the command that carries it out."""
    if not plan.steps:
        return "Nothing is pending: every migration is applied."
    count = "1 migration is pending:" if len(plan.steps) == 1 else f"{len(plan.steps)} migrations are pending:"
    steps = [_step(step, verbose=verbose) for step in plan.steps]
    return "\n".join([count, *steps, "", *([] if asking else ["Run: outpost migrate apply"])])


def applied(applied: Applied) -> str:
    if not applied.steps:
        return "Nothing to do: another run has applied every migration meanwhile."
    return "\n".join(["Applied:", *[f"  {state.id}  {_took(state)}".rstrip() for state in applied.steps]])


def verification(found: Verification) -> str:
    verdict = "Everything compared is as it should be." if found.ok else "There are differences."
    return "\n".join([checks(found.checks), "", verdict])


def checks(found: Sequence[Check]) -> str:
    return "\n".join(_check(check) for check in found) if found else "Nothing to check."


def diagnosis(found: Sequence[Check]) -> str:
    """Return what `doctor` says; its checks look at conditions, and compare nothing."""
    wrong = sum(not check.ok for check in found)
    verdict = "Nothing stands in the way." if not wrong else f"{wrong} of {len(found)} need attention before `apply`."
    return "\n".join([*[_finding(check) for check in found], "", verdict])


def status(status: Status) -> str:
    lines = [*(_line(line) for line in status.lines), *(_unknown(failure) for failure in status.failures)]
    return "\n".join([*_locks(status), *lines])


def lock(holder: Holder) -> str:
    return f"Lock      {holder.store}: held by {describe(holder)}"


def revoking(holders: Sequence[Holder]) -> str:
    """Return the question before a lock is revoked."""
    if any(holder.foreign for holder in holders):
        return "Revoke the lock? Another program that is alive cannot be stopped, and would go on beside the next run."
    return "Revoke the lock? A run that is alive stops at once; what it has done is kept."


def unlocked(evicted: Sequence[Holder]) -> str:
    if not evicted:
        return "No lock was held; nothing was changed."
    return "\n".join(f"Revoked in {holder.store}: {describe(holder)}" for holder in evicted)


def steered(asked: Steering | None) -> str:
    if asked is None:
        return "No run of this program works now; nothing was changed."
    return f"From its next heartbeat on the run is {_asked(asked)}."


def history(runs: Sequence[RunRecord]) -> str:
    if not runs:
        return "No run is recorded."
    return "\n".join(_run(run) for run in runs)


def cleanup(items: Sequence[CleanupItem], *, done: bool, pending: Sequence[str] = ()) -> str:
    """Return what was or would be removed; `pending` migrations still need it."""
    if not items:
        return "Nothing was removed." if done else "There is no old data to remove."
    head = "Removed:" if done else "Would be removed for good:"
    if pending:
        head = f"Needed as long as migrations are pending ({', '.join(pending)}); `cleanup` refuses until then:"
    return "\n".join([head, *[f"  {item.store}  {item.what}: {item.count:,}{_size(item.bytes)}" for item in items]])


def quarantine(records: Sequence[Quarantined]) -> str:
    if not records:
        return "Nothing is quarantined."
    return "\n".join(
        f"{record.store}/{record.migration}  {record.key}  {record.reason}"
        + (f"  (accepted: {record.accepted})" if record.accepted else "")
        for record in records
    )


def decided(text: str, count: int) -> str:
    """Return what a decision on quarantined records has done, and what comes next."""
    return f"{text}. Run: outpost migrate apply" if count else quarantine([])


def progress_line(progress: Progress, *, age_seconds: float = 0.0) -> str:
    """Return how far a run is.

    Args:
        age_seconds: How long ago that was.
    """
    share = progress.share
    parts = [progress.store, progress.migration]
    if progress.step:
        since = seconds(progress.step_seconds + age_seconds)
        parts.append(f"step {progress.step} of {progress.steps}, since {since}")
        if not progress.has_figures:
            return "  ".join([*parts, *([progress.throttled] if progress.throttled else [])])
    if share is not None:
        parts.append(f"{share:.1%}")
    parts.append(f"{_short(progress.done)}/{_short(progress.total)}" if progress.total else _short(progress.done))
    if progress.per_second:
        parts.append(f"{_short(progress.per_second)}/s")
    if progress.eta_seconds is not None:
        parts.append(f"eta {seconds(progress.eta_seconds)}")
    if progress.batch:
        parts.append(f"batch {progress.batch}")
    if progress.server_ms:
        parts.append(f"server {progress.server_ms:.1f}ms")
    parts.append(f"throttled: {progress.throttled or 'no'}")
    parts.append(f"checkpoint {seconds(progress.checkpoint_age_seconds)} ago")
    return "  ".join(parts)


def waiting_line(holder: Holder) -> str:
    parts = [f"waiting for the lock in {holder.store}, held by {describe(holder)}", *_working(holder)]
    return ": ".join([*parts, *([holder.steering.pause] if holder.steering.paused else [])])


def seconds(value: float) -> str:
    """Return a span of time, short: `0.2s`, `45s`, `7m10s`, `2h05m`."""
    if value < 10:
        return f"{value:.1f}s"
    whole = round(value)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def _step(step: PlannedStep, *, verbose: bool) -> str:
    lines = [f"  - {step.id}  {step.description}".rstrip()]
    lines += [f"      {name}: {count:,}" for name, count in sorted(step.counts.items())]
    if step.statements:
        lines.append(f"      statements: {len(step.statements)}")
    lines += [f"      destructive: {text}" for text in step.destructive]
    lines += [f"      note: {text}" for text in step.notes]
    if verbose:
        lines += [f"      | {line}" for statement in step.statements for line in statement.splitlines()]
    return "\n".join(lines)


def _check(check: Check) -> str:
    compared = f"{check.different:,} of {check.compared:,} differ" if check.compared else ""
    lines = [f"  {'ok' if check.ok else 'DIFFERS':<8} {check.name}  {compared}{_bound(check)}  {check.note}".rstrip()]
    lines += [f"           {text}" for text in check.differences]
    if check.repair and not check.ok:
        lines.append(f"           to mend it: {check.repair}")
    return "\n".join(lines)


def _finding(check: Check) -> str:
    lines = [f"  {'ok' if check.ok else 'WRONG':<8} {check.name}  {check.note}".rstrip()]
    lines += [f"           {text}" for text in check.differences]
    if check.repair and not check.ok:
        lines.append(f"           to mend it: {check.repair}")
    return "\n".join(lines)


def _bound(check: Check) -> str:
    """What a clean sample proves: with n of n equal, fewer than 3/n differ with 95 % confidence (the rule of three)."""
    if not check.ok or not check.compared or check.compared >= check.population:
        return ""
    return f" (there are about {check.population:,}): below {3 / check.compared:.2%} with 95 % confidence"


def _locks(status: Status) -> list[str]:
    held = [line.holder for line in status.lines if line.holder is not None]
    if not held:
        return ["Lock      free" if not status.failures else "Lock      not held in a store that can be read"]
    rows = [lock(holder) for holder in held]
    rows += [f"Working   {progress}" for holder in held for progress in _working(holder)]
    rows += [f"Paused    {holder.store}: {holder.steering.pause}" for holder in held if holder.steering.paused]
    rows += [f"Asked     {holder.store}: {_asked(holder.steering)}" for holder in held if holder.steering != Steering()]
    return rows


def _working(holder: Holder) -> list[str]:
    """Return how far a holder was at its last heartbeat; nothing if it did not say."""
    progress = holder.progress
    return [] if progress is None else [progress_line(progress, age_seconds=holder.heartbeat_age_seconds)]


def _asked(steering: Steering) -> str:
    pause = "paused" if steering.paused else "not paused"
    if steering.max_latency_ms is None:
        return f"{pause}, with the latency budget it began with"
    return f"{pause}, with a latency budget of {steering.max_latency_ms:g} ms"


def _line(line: LineStatus) -> str:
    done = len(line.migrations) - len(line.pending)
    rows = [f"{line.line:<9} {done} of {len(line.migrations)} applied   {line.target}"]
    rows += [
        f"Pending   {state.id}  {'' if state.state == 'pending' else state.state} {state.detail}".rstrip()
        for state in line.pending
    ]
    rows += [_books(books) for books in line.books]
    if line.quarantined:
        rows.append(f"Quarantined {line.quarantined}: outpost migrate quarantine list")
    if line.preserved:
        rows.append(f"Preserved old data: {line.preserved} (cleanup not run)")
    if line.last_run is not None:
        rows.append(f"Last run  {_run(line.last_run)}")
    return "\n".join(rows)


def _unknown(failure: LineFailure) -> str:
    return f"{failure.line:<9} cannot be read   {failure.target}"


def _run(run: RunRecord) -> str:
    took = seconds(run.duration_ms / 1000)
    return (
        f"{_instant(run.started_at)}  {run.store:<10} {run.command:<17} {run.outcome:<11} {took:>8}  "
        f"{run.user}@{run.host} outpost {run.version}  {' '.join(run.migrations)} {run.detail}"
    ).rstrip()


def _books(books: Books) -> str:
    verdict = "ok" if books.balanced else "DO NOT BALANCE"
    return (
        f"Books     {books.migration}: matched {books.matched:,} = migrated {books.migrated:,} + "
        f"already {books.already:,} + vanished {books.vanished:,} + quarantined {books.quarantined:,}   {verdict}"
    )


def _origin(state: MigrationState) -> str:
    parts = [_instant(state.applied_at) if state.applied_at else "", _took(state), state.host]
    parts += [f"outpost {state.version}" if state.version else "", state.detail or state.description]
    return "  ".join(part for part in parts if part)


def _took(state: MigrationState) -> str:
    return "" if state.duration_ms is None else seconds(state.duration_ms / 1000)


def _instant(value: datetime) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%SZ")


def _size(count: int | None) -> str:
    return "" if count is None else f" ({count / 1024 / 1024:,.1f} MiB)"


def _short(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:.1f}M"
    return f"{value / 1_000:.0f}k" if value >= 10_000 else f"{value:.0f}"
