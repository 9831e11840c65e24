"""001 (before the upgrade of the servers): records get keys that keep a tenant in one slot of a cluster.

    tenant:<t>                    ->  tenant:{<t>}:tenant
    tenant:<t>:destinations       ->  tenant:{<t>}:destinations
    tenant:<t>:destination:<d>    ->  tenant:{<t>}:destination:<d>

Releases before 0.6 wrote the left ones. They are copied as they are, with what is left of their time to live, and stay
until `cleanup`. A record under the new key is newer, and wins. Deployments with an id never had the old keys.
"""

from outpost.migrations.redis.families import Kind
from outpost.migrations.redis.migration import Fields


class HashTags:
    number = 1
    name = "001_hash_tags"
    description = "records under hash-tagged keys, so that a tenant lies in one slot of a cluster"
    preserves = "records under the old keys"
    min_reader = 1
    online = False

    def inapplicable(self, prefix: str) -> str:
        return "not needed: a deployment id is in use, and such deployments never had the old keys" if prefix else ""

    def transform(self, record: Fields, kind: Kind) -> Fields:
        return record

    def is_done(self, record: Fields, kind: Kind) -> bool:
        return True
