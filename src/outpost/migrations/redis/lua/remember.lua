-- KEYS hash [, fence]   ARGV own fence, field, value, ...
local seen = redis.call('HGET', KEYS[1], 'fence')
if seen and tonumber(seen) > tonumber(ARGV[1]) then return redis.error_reply('FENCED a newer run has begun') end
local refused = KEYS[2] and REFUSED(KEYS[2], ARGV[1])
if refused then return refused end
-- A first write that needs no memory lets the second through on a server whose memory is full: a note of how far a run
-- has come is worth its few bytes.
redis.call('PERSIST', KEYS[1])
redis.call('HSET', KEYS[1], 'fence', ARGV[1], unpack(ARGV, 2))
return 1
