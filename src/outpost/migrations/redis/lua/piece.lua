-- Adds fields to the copy of a large record; it ends by itself if nobody finishes it.
--   KEYS copy [, fence]   ARGV own fence, milliseconds it may lie unfinished, field, value, ...
local refused = KEYS[2] and REFUSED(KEYS[2], ARGV[1])
if refused then return refused end
redis.call('HSET', KEYS[1], unpack(ARGV, 3))
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
