-- Puts a copy that is whole in its place, unless there is a record.
--   KEYS copy, new [, fence]   ARGV own fence, time to live in milliseconds or -1
-- Replies 1 if it did.
local refused = KEYS[3] and REFUSED(KEYS[3], ARGV[1])
if refused then return refused end
if redis.call('EXISTS', KEYS[2]) == 1 or redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('UNLINK', KEYS[1])
  return 0
end
redis.call('RENAME', KEYS[1], KEYS[2])
if tonumber(ARGV[2]) >= 0 then
  redis.call('PEXPIRE', KEYS[2], math.max(tonumber(ARGV[2]), 1))
else
  redis.call('PERSIST', KEYS[2])
end
return 1
