"""The changes of a queue: one script each, so that each is one step, with the server's clock.

Their keys are those of `QueueKeys`: entries, content, and where they are needed the dead letters' and the set of names.
"""

from outpost.clients.redis import Script

_CLOCK = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_CREATE = """
local function create(queues, name, content, visibility)
  if redis.call('HEXISTS', content, 'vt') == 1 then return end
  local attributes = {'vt', visibility, 'delay', '0', 'maxsize', '65536', 'created', time[1], 'modified', time[1]}
  for i = 1, #attributes, 2 do redis.call('HSETNX', content, attributes[i], attributes[i + 1]) end
  redis.call('SADD', queues, name)
end
"""

_REMOVE = """
local function remove(id)
  redis.call('ZREM', KEYS[1], id)
  redis.call('HDEL', KEYS[2], id, id .. ':rc', id .. ':fr')
end
"""

# Where another program's body says whose it is, something may stand before that, but not much; further on is what
# publishers wrote.
_BELONGS = """
local function belongs(body, identity)
  local at = string.find(body, identity, 1, true)
  return at and at <= 80
end
"""

# Planning an entry anew clears both, taking it again counts on.
_STILL_TAKEN = """
local function still_taken(id, takes, first)
  local stored = redis.call('HMGET', KEYS[2], id .. ':rc', id .. ':fr')
  return stored[1] == takes and stored[2] == first
end
"""

SCHEDULE = Script(f"""
-- keys: entries, content, names; arguments: name, visibility in seconds, and for each plan: its id, the id to use if
-- that one is another's, whose it is, the delay in milliseconds, its body
{_CLOCK}{_CREATE}{_REMOVE}{_BELONGS}
create(KEYS[3], ARGV[1], KEYS[2], ARGV[2])
for i = 3, #ARGV, 5 do
  local id, spare, identity, delay, body = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local present = redis.call('HGET', KEYS[2], id)
  if present and not belongs(present, identity) then
    id = spare
  elseif redis.call('HEXISTS', KEYS[2], spare) == 1 then
    remove(spare)
  end
  redis.call('ZADD', KEYS[1], now + delay, id)
  redis.call('HSET', KEYS[2], id, body)
  redis.call('HDEL', KEYS[2], id .. ':rc', id .. ':fr')
end
redis.call('HINCRBY', KEYS[2], 'totalsent', (#ARGV - 2) / 5)
""")

CANCEL = Script(f"""
-- keys: entries, content; arguments, for each key: its id, the id to use if that one is another's, whose it is
{_REMOVE}{_BELONGS}
for i = 1, #ARGV, 3 do
  for j = i, i + 1 do
    local present = redis.call('HGET', KEYS[2], ARGV[j])
    if present and belongs(present, ARGV[i + 2]) then remove(ARGV[j]) end
  end
end
""")

TAKE_DUE = Script(f"""
-- keys: entries, content; arguments: how many at most, visibility in milliseconds
-- returns the time, the earliest score after this, and of each entry: id, score before this, takes, when first, body
{_CLOCK}{_REMOVE}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, ARGV[1])
local taken = {{}}
for i = 1, #due, 2 do
  local id = due[i]
  local body = redis.call('HGET', KEYS[2], id)
  if body then
    redis.call('ZADD', KEYS[1], now + ARGV[2], id)
    local takes = redis.call('HINCRBY', KEYS[2], id .. ':rc', 1)
    redis.call('HSETNX', KEYS[2], id .. ':fr', now)
    taken[#taken + 1] = {{id, due[i + 1], takes, redis.call('HGET', KEYS[2], id .. ':fr'), body}}
  else
    remove(id)
  end
end
if #taken > 0 then redis.call('HINCRBY', KEYS[2], 'totalrecv', #taken) end
return {{now, redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or false, taken}}
""")

SETTLE = Script(f"""
-- keys: entries, content; arguments, for each entry: id, takes, when first
{_REMOVE}{_STILL_TAKEN}
for i = 1, #ARGV, 3 do
  if still_taken(ARGV[i], ARGV[i + 1], ARGV[i + 2]) then remove(ARGV[i]) end
end
""")

POSTPONE = Script(f"""
-- keys: entries, content; arguments, for each entry: id, takes, when first, how long to hide it in milliseconds
{_CLOCK}{_STILL_TAKEN}
for i = 1, #ARGV, 4 do
  if still_taken(ARGV[i], ARGV[i + 1], ARGV[i + 2]) then redis.call('ZADD', KEYS[1], now + ARGV[i + 3], ARGV[i]) end
end
""")

BURY = Script(f"""
-- keys: entries, content, the dead letters' entries and content, names; arguments: name of the dead letters, visibility
-- in seconds, and for each entry: id, takes, when first, id among the dead letters
-- returns of each whether it was buried
{_CLOCK}{_CREATE}{_REMOVE}{_STILL_TAKEN}
local buried = {{}}
for i = 3, #ARGV, 4 do
  local id = ARGV[i]
  local still = still_taken(id, ARGV[i + 1], ARGV[i + 2])
  if still then
    create(KEYS[5], ARGV[1], KEYS[4], ARGV[2])
    redis.call('ZADD', KEYS[3], now, ARGV[i + 3])
    redis.call('HSET', KEYS[4], ARGV[i + 3], redis.call('HGET', KEYS[2], id))
    redis.call('HINCRBY', KEYS[4], 'totalsent', 1)
    remove(id)
  end
  buried[#buried + 1] = still and 1 or 0
end
return buried
""")

REVIVE = Script(f"""
-- keys: entries, content, the dead letters' entries and content, names; arguments: name, visibility in seconds, and for
-- each dead letter: its id, the id of what it plans, the id to use if that one is another's, whose it is
-- returns of each that is still there whether it is planned anew, and not superseded by what was planned since
{_CLOCK}{_CREATE}{_BELONGS}
create(KEYS[5], ARGV[1], KEYS[2], ARGV[2])
local revived = {{}}
for i = 3, #ARGV, 4 do
  local letter, id, spare, identity = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local body = redis.call('HGET', KEYS[4], letter)
  if body then
    local present = redis.call('HGET', KEYS[2], id)
    if present and not belongs(present, identity) then
      id = spare
      present = redis.call('HGET', KEYS[2], id)
    end
    if not present then
      redis.call('ZADD', KEYS[1], now, id)
      redis.call('HSET', KEYS[2], id, body)
      redis.call('HDEL', KEYS[2], id .. ':rc', id .. ':fr')
      redis.call('HINCRBY', KEYS[2], 'totalsent', 1)
    end
    revived[#revived + 1] = present and 0 or 1
  end
  redis.call('ZREM', KEYS[3], letter)
  redis.call('HDEL', KEYS[4], letter, letter .. ':rc', letter .. ':fr')
end
return revived
""")

EARLIEST = Script(f"""
-- keys: entries
-- returns the time, and the earliest score
{_CLOCK}
return {{now, redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or false}}
""")
