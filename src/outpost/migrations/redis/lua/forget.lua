-- KEYS hash [, fence]   ARGV own fence, field, ...; without a field the whole hash goes
local seen = redis.call('HGET', KEYS[1], 'fence')
if seen and tonumber(seen) > tonumber(ARGV[1]) then return redis.error_reply('FENCED a newer run has begun') end
local refused = KEYS[2] and REFUSED(KEYS[2], ARGV[1])
if refused then return refused end
if #ARGV == 1 then return redis.call('UNLINK', KEYS[1]) end
return redis.call('HDEL', KEYS[1], unpack(ARGV, 2))
