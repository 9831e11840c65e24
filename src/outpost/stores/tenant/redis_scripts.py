"""The changes of tenants and destinations: one script each, so that each is one step.

Every key is named, because only then does a cluster that moves a slot to another node say so instead of showing the
keys that have already gone as missing. Which destinations a tenant has is therefore asked first, and compared within.

What a script must know before it writes, it reads before its first write: an error leaves everything as it was.
"""

from outpost.clients.redis import Script

TOMBSTONE_SECONDS = 604_800

PUT_TENANT = Script("""
-- keys: tenant, summary; arguments: id, now, metadata or nothing, whether to keep when it was created
-- returns whether it is new, and when it was created
local stored = redis.call('HMGET', KEYS[1], 'created_at', 'deleted_at')
local is_new = stored[2] or redis.call('EXISTS', KEYS[1]) == 0
local created_at = ARGV[2]
if is_new then
  redis.call('DEL', KEYS[1])
elseif stored[1] and ARGV[4] == '1' then
  created_at = stored[1]
end
redis.call('PERSIST', KEYS[1])
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'entity', 'tenant', 'created_at', created_at, 'updated_at', ARGV[2])
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], 'metadata')
else
  redis.call('HSET', KEYS[1], 'metadata', ARGV[3])
end
return {is_new and 1 or 0, created_at}
""")

DELETE_TENANT = Script("""
-- keys: tenant, summary, destinations; arguments: now, seconds to keep tombstones, ids of the destinations
-- returns nothing if there is no tenant, the ids if they are others, and else when the tenant was created
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'deleted_at') == 1 then return false end
local same = redis.call('HLEN', KEYS[2]) == #KEYS - 2
for i = 3, #ARGV do
  same = same and redis.call('HEXISTS', KEYS[2], ARGV[i]) == 1
end
if not same then return redis.call('HKEYS', KEYS[2]) end
local function bury(key)
  redis.call('HSET', key, 'deleted_at', ARGV[1])
  redis.call('EXPIRE', key, ARGV[2])
end
for i = 3, #KEYS do
  if redis.call('TYPE', KEYS[i]).ok == 'hash' then bury(KEYS[i]) end
end
redis.call('DEL', KEYS[2])
bury(KEYS[1])
return redis.call('HGET', KEYS[1], 'created_at') or ''
""")

ADD_DESTINATION = Script("""
-- keys: tenant, summary, destination; arguments: id, limit, entry of the summary, fields and values
-- returns what became of it
if redis.call('EXISTS', KEYS[1]) == 0 or redis.call('HEXISTS', KEYS[1], 'deleted_at') == 1 then return 'no tenant' end
if redis.call('EXISTS', KEYS[3]) == 1 and redis.call('HEXISTS', KEYS[3], 'deleted_at') == 0 then return 'exists' end
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[2]) then return 'limit' end
redis.call('DEL', KEYS[3])
redis.call('HSET', KEYS[3], unpack(ARGV, 4))
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
return 'added'
""")

CHANGE_DESTINATION = Script("""
-- keys: summary, destination; arguments: id, entry of the summary, how many arguments tell the present content, that
-- content as fields and values, the new fields and values
-- returns 1, or what the content is, or nothing if there is no such destination any more
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return {} end
local expected = tonumber(ARGV[3])
local same = redis.call('HLEN', KEYS[2]) * 2 == expected
for i = 4, 3 + expected, 2 do
  same = same and redis.call('HGET', KEYS[2], ARGV[i]) == ARGV[i + 1]
end
if not same then return redis.call('HGETALL', KEYS[2]) end
redis.call('PERSIST', KEYS[2])
redis.call('HDEL', KEYS[2], 'disabled_at', 'delivery_metadata', 'metadata', 'filter')
redis.call('HSET', KEYS[2], unpack(ARGV, 4 + expected))
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
""")

DELETE_DESTINATION = Script("""
-- keys: summary, destination; arguments: id, now, seconds to keep the tombstone
-- returns whether there was one
local listed = redis.call('HDEL', KEYS[1], ARGV[1])
if redis.call('TYPE', KEYS[2]).ok ~= 'hash' or redis.call('HEXISTS', KEYS[2], 'deleted_at') == 1 then return listed end
redis.call('HSET', KEYS[2], 'deleted_at', ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
return 1
""")
