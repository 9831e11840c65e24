"""What stops a migration command; each error carries the exit code of its kind.

MigrationError          13  failed; what was done is kept, run it again
├── LockHeld            11  someone else holds the lock
├── LeaseLost           12  our lock was revoked or taken over
├── DecisionNeeded      14  an applied file was edited, or is missing
├── Refused             16  this database may not be migrated as it is
├── Unreachable         17  the store cannot be read
└── DataIsNewer         18  a newer version has migrated it
"""

from typing import ClassVar

from outpost.domain.errors import OutpostError


class MigrationError(OutpostError):
    """A migration failed; everything before it is kept, and running again continues."""

    code = "migration_failed"
    exit_code: ClassVar[int] = 13


class LockHeld(MigrationError):
    """Another run holds the lock and did not end in time."""

    code = "migration_lock_held"
    exit_code = 11


class LeaseLost(MigrationError):
    """The lock was revoked or taken over while this run worked; the run stopped."""

    code = "migration_lease_lost"
    exit_code = 12


class DecisionNeeded(MigrationError):
    """A person must decide: what is recorded as applied differs from what this program carries."""

    code = "migration_decision_needed"
    exit_code = 14


class Refused(MigrationError):
    """Nothing was changed, because this database may not be migrated as it is."""

    code = "migration_refused"
    exit_code = 16


class Unreachable(MigrationError):
    """The store cannot be read or written now; nothing is known of its migrations."""

    code = "migration_store_unreachable"
    exit_code = 17


class DataIsNewer(MigrationError):
    """A newer version of this program has migrated the data; this one would not understand it."""

    code = "migration_data_is_newer"
    exit_code = 18
