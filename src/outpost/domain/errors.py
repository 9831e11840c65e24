"""Everything Outpost raises on purpose.

    OutpostError
    ├── NotFound              tenant, destination, destination type, event, attempt
    ├── InvalidInput          the caller must change the request
    │   ├── ValidationFailed      one message per field
    │   ├── InvalidTopics
    │   ├── UnknownDestinationType
    │   ├── TypeIsFixed
    │   └── InTheFuture
    ├── Refused               valid, but the present state does not allow it
    │   ├── DestinationExists   DestinationLimitReached
    │   ├── DestinationDisabled DestinationDoesNotMatch
    │   └── PublishContended
    ├── Unavailable           try again later
    │   ├── StoreUnavailable
    │   ├── QueueUnavailable
    │   ├── SchedulerUnavailable
    │   └── BacklogFull
    ├── RecordRejected        a store can never hold this record
    ├── StoreCorrupted        a person must look; the process stops
    ├── CannotUnseal          a stored secret does not open with the configured key
    └── ConfigurationError    wrong settings or usage: exit code 64

Each class writes its own sentence from its fields; callers never parse text. `code` is stable, for machines.
"""

from typing import ClassVar


class OutpostError(Exception):
    """Base of all; `str()` says what happened, to which thing, and what to do next."""

    code: ClassVar[str] = "error"


class NotFound(OutpostError):
    """The thing does not exist, is deleted, or belongs to someone else."""

    code = "not_found"

    def __init__(self, thing: str) -> None:
        self.thing = thing
        super().__init__(f"{thing} not found")


class InvalidInput(OutpostError):
    """The request cannot be accepted as it is."""

    code = "invalid_input"


class ValidationFailed(InvalidInput):
    """One or more fields break a rule."""

    code = "validation_error"

    def __init__(self, *messages: str) -> None:
        self.messages = messages
        super().__init__("; ".join(messages))


class InvalidTopics(InvalidInput):
    """A destination's topics are not a list the operator allows."""

    code = "invalid_topics"

    def __init__(self, detail: str) -> None:
        self.detail = detail
        super().__init__(f"invalid topics: {detail}")


class UnknownDestinationType(InvalidInput):
    """No provider is registered for the type."""

    code = "unknown_destination_type"

    def __init__(self, type_: str) -> None:
        self.type = type_
        super().__init__(f"no provider registered for destination type: {type_}")


class TypeIsFixed(InvalidInput):
    """A destination keeps the type it was created with."""

    code = "type_is_fixed"

    def __init__(self) -> None:
        super().__init__("type cannot be updated")


class InTheFuture(InvalidInput):
    """An instant that must have passed already has not."""

    code = "in_the_future"

    def __init__(self, field: str) -> None:
        self.field = field
        super().__init__(f"{field} cannot be in the future")


class Refused(OutpostError):
    """The request is valid, but the present state does not allow it."""

    code = "refused"


class DestinationExists(Refused):
    """The tenant already has a destination with this id."""

    code = "destination_exists"

    def __init__(self) -> None:
        super().__init__("destination already exists")


class DestinationLimitReached(Refused):
    """The tenant has as many destinations as the operator allows."""

    code = "destination_limit_reached"

    def __init__(self) -> None:
        super().__init__("maximum number of destinations per tenant reached")


class DestinationDisabled(Refused):
    """The destination is disabled and takes no deliveries."""

    code = "destination_disabled"

    def __init__(self) -> None:
        super().__init__("Destination is disabled")


class DestinationDoesNotMatch(Refused):
    """The destination's present topics or filter do not select the event."""

    code = "destination_does_not_match"

    def __init__(self) -> None:
        super().__init__("destination does not match event")


class PublishContended(Refused):
    """Another request has been accepting an event of the same id for too long; what came of it is not known."""

    code = "publish_contended"

    def __init__(self) -> None:
        super().__init__("another request with this event id is still being processed")


class Unavailable(OutpostError):
    """Outpost cannot do this now; the same call may work later. Nothing was changed, unless a class says otherwise.

    Attributes:
        dependency: What is away or lacks room, by the same name for all who need it.
    """

    code = "unavailable"
    retry_after_seconds: int = 1

    def __init__(self, sentence: str, *, dependency: str) -> None:
        self.dependency = dependency
        super().__init__(sentence)


class StoreUnavailable(Unavailable):
    """A store could not be written or read; nothing of the call was stored."""

    code = "store_unavailable"

    def __init__(self, store: str, cause: str) -> None:
        self.store = store
        self.cause = cause
        super().__init__(f"{store} is not available: {cause}", dependency=store)


class QueueUnavailable(Unavailable):
    """A queue did not say that it stored what was sent: it may have stored none, some or all of it."""

    code = "queue_unavailable"

    def __init__(self, queue: str, cause: str, *, broker: str | None = None) -> None:
        self.queue = queue
        self.cause = cause
        super().__init__(f"queue {queue} is not available: {cause}", dependency=broker or queue)


class SchedulerUnavailable(Unavailable):
    """The schedule of retries could not be written or read."""

    code = "scheduler_unavailable"

    def __init__(self, scheduler: str, cause: str, *, server: str | None = None) -> None:
        self.scheduler = scheduler
        self.cause = cause
        super().__init__(f"{scheduler} is not available: {cause}", dependency=server or scheduler)


class BacklogFull(Unavailable):
    """Too many deliveries wait; publishing is refused until some are done."""

    code = "backlog_full"
    retry_after_seconds = 5

    def __init__(self, limit: int) -> None:
        self.limit = limit
        sentence = f"the backlog holds its limit of {limit} deliveries; publish again later"
        super().__init__(sentence, dependency="room in the backlog")


class RecordRejected(OutpostError):
    """A store can never hold this record, as it is; trying again does not help."""

    code = "record_rejected"

    def __init__(self, record: str, cause: str) -> None:
        self.record = record
        self.cause = cause
        super().__init__(f"{record} cannot be stored: {cause}")


class StoreCorrupted(OutpostError):
    """Stored data is damaged; going on could lose more."""

    code = "store_corrupted"

    def __init__(self, store: str, cause: str) -> None:
        super().__init__(f"{store} is damaged ({cause}); restore it from a backup before starting again")


class CannotUnseal(OutpostError):
    """A stored secret does not open: another AES secret sealed it, or it is damaged."""

    code = "cannot_unseal"

    def __init__(self, thing: str) -> None:
        super().__init__(
            f"{thing} cannot be decrypted: check that AES_ENCRYPTION_SECRET is what it was when they were stored; "
            "if it is, they are damaged: delete the destination and create it anew; if that secret is lost for good, "
            "set ALLOW_LOST_CREDENTIALS=true"
        )


class ConfigurationError(OutpostError):
    """Settings or usage are wrong; nothing was started."""

    code = "configuration_error"
