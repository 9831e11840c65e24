"""What every driver of claims must do."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

from outpost.ports.claims import ClaimKey, Claims, ClaimState

ONE, TWO, THREE = ClaimKey("one"), ClaimKey("two"), ClaimKey("{three}:ü")
HOLD, REMEMBER = timedelta(seconds=60), timedelta(hours=1)
SECOND = timedelta(seconds=1)


@dataclass
class ClaimsHarness:
    """A driver under test, with nothing claimed at first.

    Attributes:
        other: The same claims, as another process sees them.
        elapse: Lets so much time go by, for what was claimed before.
    """

    claims: Claims
    other: Claims
    elapse: Callable[[timedelta], Awaitable[None]]


class ClaimsConformance:
    """Bind it by a fixture `harness` that yields a ClaimsHarness."""

    async def test_a_free_key_is_won_and_a_held_one_is_not(self, harness: ClaimsHarness) -> None:
        assert await harness.claims.claim_many([ONE, TWO], hold=HOLD) == [ClaimState.WON, ClaimState.WON]

        states = await harness.other.claim_many([TWO, THREE, ONE], hold=HOLD)

        assert states == [ClaimState.HELD, ClaimState.WON, ClaimState.HELD]

    async def test_of_many_who_claim_one_wins(self, harness: ClaimsHarness) -> None:
        both = (harness.claims, harness.other)

        answers = await asyncio.gather(*(claims.claim_many([ONE, TWO], hold=HOLD) for claims in both for _ in range(8)))

        for states in zip(*answers, strict=True):
            assert sorted(state.name for state in states) == ["HELD"] * 15 + ["WON"]

    async def test_a_key_named_twice_is_won_once(self, harness: ClaimsHarness) -> None:
        assert await harness.claims.claim_many([ONE, ONE], hold=HOLD) == [ClaimState.WON, ClaimState.HELD]

    async def test_what_is_finished_is_done_for_everyone(self, harness: ClaimsHarness) -> None:
        await harness.claims.claim_many([ONE, TWO], hold=HOLD)
        await harness.claims.finish_many([ONE], remember=REMEMBER)

        assert await harness.claims.claim_many([ONE, TWO], hold=HOLD) == [ClaimState.DONE, ClaimState.HELD]
        assert await harness.other.claim_many([ONE, TWO], hold=HOLD) == [ClaimState.DONE, ClaimState.HELD]

    async def test_what_is_done_outlasts_the_hold_and_is_forgotten_in_time(self, harness: ClaimsHarness) -> None:
        await harness.claims.claim_many([ONE], hold=HOLD)
        await harness.claims.finish_many([ONE], remember=REMEMBER)

        await harness.elapse(HOLD + SECOND)
        assert await harness.claims.claim_many([ONE], hold=HOLD) == [ClaimState.DONE]

        await harness.elapse(REMEMBER - HOLD)
        assert await harness.claims.claim_many([ONE], hold=HOLD) == [ClaimState.WON]

    async def test_a_hold_ends_by_itself(self, harness: ClaimsHarness) -> None:
        await harness.claims.claim_many([ONE], hold=HOLD)
        await harness.claims.claim_many([TWO], hold=HOLD * 2)

        await harness.elapse(HOLD + SECOND)

        assert await harness.other.claim_many([ONE, TWO], hold=HOLD) == [ClaimState.WON, ClaimState.HELD]

    async def test_a_claim_that_was_lost_does_not_make_the_hold_longer(self, harness: ClaimsHarness) -> None:
        await harness.claims.claim_many([ONE], hold=HOLD)
        await harness.other.claim_many([ONE], hold=HOLD * 10)

        await harness.elapse(HOLD + SECOND)

        assert await harness.other.claim_many([ONE], hold=HOLD) == [ClaimState.WON]

    async def test_what_is_released_is_free(self, harness: ClaimsHarness) -> None:
        await harness.claims.claim_many([ONE, TWO], hold=HOLD)
        await harness.claims.release_many([ONE])

        assert await harness.other.claim_many([ONE, TWO], hold=HOLD) == [ClaimState.WON, ClaimState.HELD]

    async def test_releasing_leaves_what_is_done(self, harness: ClaimsHarness) -> None:
        await harness.claims.claim_many([ONE], hold=HOLD)
        await harness.other.finish_many([ONE], remember=REMEMBER)

        await harness.claims.release_many([ONE, TWO])

        assert await harness.claims.claim_many([ONE, TWO], hold=HOLD) == [ClaimState.DONE, ClaimState.WON]

    async def test_what_is_finished_late_is_done_all_the_same(self, harness: ClaimsHarness) -> None:
        await harness.claims.claim_many([ONE], hold=HOLD)
        await harness.elapse(HOLD + SECOND)

        await harness.claims.finish_many([ONE], remember=REMEMBER)

        assert await harness.other.claim_many([ONE], hold=HOLD) == [ClaimState.DONE]

    async def test_many_keys_are_claimed_in_their_order(self, harness: ClaimsHarness) -> None:
        keys = [ClaimKey(f"key {number}") for number in range(300)]
        await harness.other.claim_many(keys[::3], hold=HOLD)
        await harness.other.finish_many(keys[::6], remember=REMEMBER)

        states = await harness.claims.claim_many(keys, hold=HOLD)

        names = [ClaimState.DONE, ClaimState.WON, ClaimState.WON, ClaimState.HELD, ClaimState.WON, ClaimState.WON]
        assert states == names * 50

    async def test_nothing_is_claimed_finished_or_released(self, harness: ClaimsHarness) -> None:
        assert await harness.claims.claim_many([], hold=HOLD) == []
        await harness.claims.finish_many([], remember=REMEMBER)
        await harness.claims.release_many([])
