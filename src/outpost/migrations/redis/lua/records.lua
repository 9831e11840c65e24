-- Shared by the scripts that change records. Before it stand the constants of scripts.py, and:
--   DRY         count what would be done, write nothing
--   DO[n]       whether migration n is wanted
-- What a script has done is counted in books[n] = {matched, migrated, already, vanished}; what it left alone is listed
-- in odd: key, number of the migration, reason.

local call, pcall = redis.call, redis.pcall
local find, match, sub, gsub, byte, format = string.find, string.match, string.sub, string.gsub, string.byte, string.format

local books = {{0, 0, 0, 0}, {0, 0, 0, 0}, {0, 0, 0, 0}}
local odd = {}
local MIGRATED, ALREADY, VANISHED = 2, 3, 4

local function count(migration, outcome)
  if DO[migration] then
    local book = books[migration]
    book[1] = book[1] + 1
    book[outcome] = book[outcome] + 1
  end
end

local function leave(key, migration, reason)
  if DO[migration] then
    local n = #odd
    odd[n + 1], odd[n + 2], odd[n + 3] = key, migration, reason
  end
end

local DAYS = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

-- Returns Unix milliseconds of an RFC 3339 text, rounded down, as decimal text; nil if it is none.
local function milliseconds(text)
  if not find(text, '^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d[.Z+-]') then return nil end
  local y1, y2, y3, y4, _, m1, m2, _, d1, d2, _, h1, h2, _, n1, n2, _, s1, s2, mark = byte(text, 1, 20)
  local year = y1 * 1000 + y2 * 100 + y3 * 10 + y4 - 53328  -- 53328 = 1111 * byte('0')
  local month, day = m1 * 10 + m2 - 528, d1 * 10 + d2 - 528
  local hour, minute, second = h1 * 10 + h2 - 528, n1 * 10 + n2 - 528, s1 * 10 + s2 - 528
  if month < 1 or month > 12 or hour > 23 or minute > 59 or second > 59 or day < 1 or year < 1 then return nil end
  if day > DAYS[month] then
    local leap = month == 2 and year % 4 == 0 and (year % 100 ~= 0 or year % 400 == 0)
    if not (leap and day == 29) then return nil end
  end

  local zone_at, thousandths = 20, 0
  if mark == 46 then
    local _, last = find(text, '^%d+', 21)
    if not last then return nil end
    zone_at = last + 1
    local t1, t2, t3 = byte(text, 21, last < 23 and last or 23)
    thousandths = t1 * 100 + (t2 or 48) * 10 + (t3 or 48) - 5328  -- 5328 = 111 * byte('0')
  end
  local offset = 0
  local sign, o1, o2, _, p1, p2 = byte(text, zone_at, -1)
  if sign ~= 90 or o1 then
    if not find(text, '^[+-]%d%d:%d%d$', zone_at) then return nil end
    local of_hour, of_minute = o1 * 10 + o2 - 528, p1 * 10 + p2 - 528
    if of_hour > 23 or of_minute > 59 then return nil end
    offset = (of_hour * 60 + of_minute) * (44 - sign) * 60
  end

  -- Days since 1970 in the proleptic Gregorian calendar, years counted from March.
  if month <= 2 then year, month = year - 1, month + 12 end
  local of_months = 153 * month - 457
  local days = 365 * year + (year - year % 4) / 4 - (year - year % 100) / 100 + (year - year % 400) / 400
    + (of_months - of_months % 5) / 5 + day - 719469
  return format('%d', (days * 86400 + hour * 3600 + minute * 60 + second - offset) * 1000 + thousandths)
end

-- Returns what shall stand instead of a time; nil to leave it, false if it cannot be understood.
local function converted(text)
  if not text or text == '' then return nil end
  if byte(text, 5) == 45 then return milliseconds(text) or false end -- as nearly all are; a number has no such place
  if find(text, '^[+-]?%d+$') then
    if #text < 19 then return nil end
    local digits = gsub(text, '^[+-]?0*', '')
    if #digits < 19 or (#digits == 19 and digits <= '9223372036854775807') then return nil end
  end
  return false
end

local KEPT_CREATED, KEPT_UPDATED = KEPT .. 'created_at', KEPT .. 'updated_at'

-- Migrations 2 and 3 on a record of the new form, whose fields of interest were read.
local function normalise(key, kind, created, updated, entity)
  local change, n = {nil, nil, nil, nil, nil, nil, nil, nil, nil, nil}, 0 -- places for all, so that it need not grow
  if DO[2] then
    local new_created, new_updated = converted(created), converted(updated)
    if new_created == false or new_updated == false then
      leave(key, 2, 'time')
    elseif new_created or new_updated then
      if new_created then
        change[1], change[2], change[3], change[4] = 'created_at', new_created, KEPT_CREATED, created
        n = 4
      end
      if new_updated then
        change[n + 1], change[n + 2] = 'updated_at', new_updated
        change[n + 3], change[n + 4] = KEPT_UPDATED, updated
        n = n + 4
      end
      count(2, MIGRATED)
    else
      count(2, ALREADY)
    end
  end
  if DO[3] then
    if entity == kind then
      count(3, ALREADY)
    elseif not entity or entity == '' or entity == 'tenant' or entity == 'destination' then
      change[n + 1], change[n + 2] = 'entity', kind
      n = n + 2
      count(3, MIGRATED)
    else
      leave(key, 3, 'entity')
    end
  end
  if n > 0 and not DRY then call('HSET', key, unpack(change, 1, n)) end
end

-- A record of the new form, met as it is.
local function record(key, kind)
  local found = pcall('HMGET', key, 'created_at', 'updated_at', 'entity')
  if found.err then
    leave(key, 2, 'type')
    leave(key, 3, 'type')
  elseif found[1] or found[3] or call('EXISTS', key) == 1 then
    normalise(key, kind, found[1], found[2], found[3])
  else
    count(2, VANISHED)
    count(3, VANISHED)
  end
end

local SURELY_SMALL = MAX_FIELDS * 16 -- bytes

-- Says whether a record is too large to be copied within a script. A sample of its fields rules that out for nearly all.
local function large(key)
  if call('MEMORY', 'USAGE', key, 'SAMPLES', '8') < SURELY_SMALL then return false end
  return call('HLEN', key) > MAX_FIELDS or call('MEMORY', 'USAGE', key, 'SAMPLES', '0') > MAX_BYTES
end

-- Returns microseconds; some servers let time stand still within a script.
local function now()
  local time = call('TIME')
  return time[1] * 1000000 + time[2]
end

local started = now()

local function answer(...)
  local reply = {now() - started, ...}
  for migration = 1, 3 do
    for outcome = 1, 4 do reply[#reply + 1] = books[migration][outcome] end
  end
  for index = 1, #odd do reply[#reply + 1] = odd[index] end
  return reply
end

-- Tells whether a hash is still the same, whatever the order of its fields.
local function digest(key)
  local flat, pairs_of = call('HGETALL', key), {}
  for at = 1, #flat, 2 do pairs_of[#pairs_of + 1] = #flat[at] .. ':' .. flat[at] .. #flat[at + 1] .. ':' .. flat[at + 1] end
  table.sort(pairs_of)
  return redis.sha1hex(table.concat(pairs_of))
end
