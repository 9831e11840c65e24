-- Writes a copy of an old record that was read elsewhere, and makes migrations 2 and 3 on it, unless it exists.
--   KEYS  a destination: new, new tenant, new summary   a tenant: new, new summary   a summary: new, new tenant
--   ARGV  dry or '', wanted migrations, kind, id, '1' if the old summary lists this destination,
--         time to live, number of arguments of the record, the record,
--         then of a tenant with a summary: time to live, number, the fields; last the old key
-- Replies like upgrade.lua, and before the books: what was done, digests of what was written.

local DRY, DO = DRY_OF(ARGV[1]), DO_OF(ARGV[2])
--%records

local kind, id, listed = ARGV[3], ARGV[4], ARGV[5]
local new = KEYS[1]
local kept, gone = 0, 0

local function write(key, at)
  local ttl, n = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
  call('HSET', key, unpack(ARGV, at + 2, at + 1 + n))
  if ttl >= 0 then call('PEXPIRE', key, ttl) end
  return at + 2 + n
end

local function value(name)
  for at = 8, 7 + ARGV[7], 2 do
    if ARGV[at] == name then return ARGV[at + 1] end
  end
  return false
end

local function done(word, first, second) return answer(kept, gone, word, first or '', second or '') end

local after = 8 + tonumber(ARGV[7])
local has_summary = kind == 'tenant' and after < #ARGV

if call('EXISTS', new) == 1 then
  count(1, ALREADY)
  if has_summary then count(1, ALREADY) end
  local text = value('created_at')
  local found = pcall('HMGET', new, 'created_at', KEPT_CREATED)
  if text and kind ~= 'summary'
    and (found.err or (found[1] ~= text and found[2] ~= text and found[1] ~= converted(text))) then
    kept = 1
  end
  return done('taken')
end
if kind == 'destination' and listed == '1' and call('EXISTS', KEYS[2]) == 1
  and pcall('HEXISTS', KEYS[3], id) == 0 then
  gone = 1
  count(1, ALREADY)
  return done('gone')
end
if kind == 'summary' and call('EXISTS', KEYS[2]) == 1 then
  count(1, ALREADY)
  return done('taken')
end

if DO.doubt then
  leave(ARGV[#ARGV], 1, 'counterpart')
  return done('left')
end

local summary = ''
if has_summary then
  count(1, MIGRATED)
  if not DRY and call('EXISTS', KEYS[2]) == 0 then
    write(KEYS[2], after)
    summary = digest(KEYS[2])
  end
end
if not DRY then write(new, 6) end
count(1, MIGRATED)
if kind ~= 'summary' then normalise(new, kind, value('created_at'), value('updated_at'), value('entity')) end
return done('copied', DRY and '' or digest(new), summary)
