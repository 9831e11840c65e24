"""What the row of a lease holds besides the token: JSON texts that are the same in every SQL store."""

import msgspec

from outpost.migrations.lease import Timings
from outpost.migrations.owner import Owner
from outpost.migrations.report import Holder, Progress
from outpost.migrations.steering import Steering, SteeringChange


class _Introduced(msgspec.Struct, frozen=True):
    owner: Owner
    fence: int


class LeaseRow(msgspec.Struct, frozen=True, kw_only=True):
    """One lease as it lies in a store.

    Attributes:
        token: None while the lock is free.
        heartbeat_age_seconds: By the store's clock.
        owner, progress, steering: JSON texts; None until written.
    """

    fence: int
    token: str | None
    heartbeat_age_seconds: float = 0.0
    owner: str | None = None
    progress: str | None = None
    steering: str | None = None

    def asked(self) -> Steering:
        return steering_of(self.steering)

    def holder(self, store: str, timings: Timings) -> Holder | None:
        if self.token is None:
            return None
        holder = Holder(
            store=store,
            heartbeat_age_seconds=self.heartbeat_age_seconds,
            alive=self.heartbeat_age_seconds <= timings.stale,
            expires_in_seconds=max(timings.stale - self.heartbeat_age_seconds, 0.0),
            progress=msgspec.json.decode(self.progress, type=Progress) if self.progress else None,
            steering=self.asked(),
        )
        if not self.owner:  # taken a moment ago, not introduced yet
            return holder
        introduced = msgspec.json.decode(self.owner, type=_Introduced)
        owner = introduced.owner
        return msgspec.structs.replace(
            holder,
            host=owner.host,
            pid=owner.pid,
            user=owner.user,
            version=owner.version,
            run=owner.run,
            started_at=owner.started_at,
            fence=introduced.fence,
        )


def owner_text(owner: Owner, fence: int) -> str:
    # The token is the proof of ownership: who may read the row must not be able to act as its owner.
    return msgspec.json.encode(_Introduced(msgspec.structs.replace(owner, token=""), fence)).decode()


def steering_of(text: str | None) -> Steering:
    return msgspec.json.decode(text, type=Steering) if text else Steering()


def json_text(value: Progress | SteeringChange | None) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
