"""What a person decides about records and locks: that it is done, refused where it makes no sense, and remembered."""

import json

import pytest

from tests.migrations.redis.outcomes import APPLY, configured, failing_at
from tests.support.process import OutpostProcess
from tests.support.redis_store import RedisStore, a_hash

ODD = "tenant:{odd}:tenant"
LOCK = ".outpost:migration_lock"


@pytest.fixture
async def parked(single: RedisStore, outpost: OutpostProcess) -> RedisStore:
    """A store with one record that was left aside."""
    single.write({ODD.encode(): a_hash(id="odd", created_at="yesterday")})
    code, *_ = await configured(outpost, single).run(*APPLY)
    assert code == 14
    return single


@pytest.mark.parametrize(
    "arguments", [["show"], ["retry"], ["accept", "--reason", "test data"]], ids=["show", "retry", "accept"]
)
async def test_a_key_that_is_not_in_quarantine_is_wrong_usage(
    outpost: OutpostProcess, parked: RedisStore, arguments: list[str]
) -> None:
    code, _, err = await outpost.run("migrate", "quarantine", *arguments, "tenant:misspelt")

    assert code == 64
    assert "not in quarantine: tenant:misspelt" in err
    assert "outpost migrate quarantine list" in err


async def test_a_record_that_changed_since_is_not_accepted_and_that_is_said(
    outpost: OutpostProcess, parked: RedisStore
) -> None:
    parked.command("HSET", ODD, "created_at", "the day before")

    code, _, err = await outpost.run("migrate", "quarantine", "accept", "--reason", "test data", ODD)

    assert code == 14
    assert "0 accepted; 1 not, having changed" in err


async def test_verify_sends_to_the_quarantine_where_apply_alone_would_not_help(
    outpost: OutpostProcess, parked: RedisStore
) -> None:
    code, out, _ = await outpost.run("migrate", "verify")

    assert code == 15
    assert "to mend it: outpost migrate quarantine list, then: outpost migrate apply" in out


async def test_the_history_tells_what_was_accepted_and_why(outpost: OutpostProcess, parked: RedisStore) -> None:
    await outpost.run("migrate", "quarantine", "accept", "--reason", "test data", ODD)
    _, out, _ = await outpost.run("migrate", "history", "--json")

    newest = json.loads(out)["runs"][-1]
    assert newest["command"] == "quarantine accept"
    assert newest["detail"] == f"{ODD}; reason: test data"


async def test_a_lock_of_the_original_tool_can_be_revoked_after_runs_of_ours(
    outpost: OutpostProcess, parked: RedisStore
) -> None:
    parked.command("SET", LOCK, "0" * 40)

    code, out, err = await outpost.run("migrate", "unlock", "--yes")
    _, history, _ = await outpost.run("migrate", "history", "--json")

    assert (code, err) == (0, "")
    assert "another program" in out
    assert json.loads(history)["runs"][-1]["command"] == "unlock"
    assert parked.command("EXISTS", LOCK) == 0


async def test_with_nothing_in_quarantine_there_is_nothing_to_decide(
    outpost: OutpostProcess, single: RedisStore
) -> None:
    configured(outpost, single)

    for arguments in (["retry"], ["accept", "--reason", "test data"]):
        code, out, _ = await outpost.run("migrate", "quarantine", *arguments)

        assert code == 0
        assert out.endswith("Nothing is quarantined.\n")
    assert single.read() == {}


async def test_a_dead_run_is_not_shown_as_running_and_who_goes_on_is_said(
    outpost: OutpostProcess, single: RedisStore
) -> None:
    single.write({b"tenant:acme": a_hash(id="acme", created_at="2025-05-06T12:00:00Z")})
    await configured(outpost, single).run(*APPLY, **failing_at("redis.began:1"))
    single.command("HSET", f"{LOCK}:owner", "heartbeat", "5")

    _, out, _ = await outpost.run("migrate", "status")

    assert "STALE: the next `apply` takes over" in out
    assert "redis/001_hash_tags  incomplete" in out
    assert "running" not in out


async def test_status_tells_the_last_run_and_when_a_foreign_lock_ends(
    outpost: OutpostProcess, parked: RedisStore
) -> None:
    parked.command("SET", LOCK, "0" * 40, "PX", 1_800_000)

    _, out, _ = await outpost.run("migrate", "status")

    assert "another program (no owner recorded), expires in 29m" in out
    (last,) = [line for line in out.splitlines() if line.startswith("Last run")]
    assert "apply" in last
    assert "failed" in last


async def test_old_data_that_is_still_needed_is_not_offered_for_removal(
    outpost: OutpostProcess, single: RedisStore
) -> None:
    single.write({b"tenant:acme": a_hash(id="acme", created_at="2025-05-06T12:00:00Z")})
    configured(outpost, single)

    _, out, _ = await outpost.run("migrate", "cleanup", "--plan")

    assert "Would be removed" not in out
    assert "redis/001_hash_tags" in out


async def test_a_sample_that_holds_every_record_leaves_no_doubt(outpost: OutpostProcess, single: RedisStore) -> None:
    single.write(
        {
            f"tenant:t{number}".encode(): a_hash(id=f"t{number}", created_at="2025-05-06T12:00:00Z")
            for number in range(5)
        }
    )
    await configured(outpost, single).run(*APPLY)

    code, out, _ = await outpost.run("migrate", "verify")

    assert code == 0
    assert "0 of 5 differ" in out
    assert "confidence" not in out
