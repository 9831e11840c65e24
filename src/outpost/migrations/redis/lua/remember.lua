-- KEYS hash [, fence]   ARGV own fence, field, value, ...
local own = tonumber(ARGV[1])
for _, seen in ipairs({redis.call('HGET', KEYS[1], 'fence'), KEYS[2] and redis.call('GET', KEYS[2])}) do
  if seen and tonumber(seen) > own then return redis.error_reply('FENCED a newer run has begun') end
end
redis.call('HSET', KEYS[1], 'fence', ARGV[1], unpack(ARGV, 2))
return 1
