-- Migrations 1, 2 and 3 on records that lie on one server.
--   KEYS  [fence,] then by kind and record:
--           tenants of the old form        old, old summary, new, new summary
--           destinations of the old form   old, new; if the wanted end in `c`, also new tenant, new and old summary
--           summaries of the old form      old, old tenant, new, new tenant
--           tenants, destinations          new
--   ARGV  fence or '', dry or '', wanted migrations such as '123', how many of each kind,
--         then the ids of the old tenants, destinations and summaries
-- Replies with microseconds taken, newer counterparts that were kept, records deleted since, the books, what was left.

local DRY, DO = DRY_OF(ARGV[2]), DO_OF(ARGV[3])
--%records

local at, id_at = 1, 9
local kept, gone = 0, 0
local LOOK = DRY or DO.careful or DO.doubt -- whether to look for a new record first; COPY does not replace one

if ARGV[1] ~= '' then
  local refused = REFUSED(KEYS[1], ARGV[1])
  if refused then return refused end
  at = 2
end

-- Reads id, times and entity of an old record. Returns nil if it is not what its name says.
local function old_record(key, id)
  local found = pcall('HMGET', key, 'id', 'created_at', 'updated_at', 'entity')
  if found[1] == id then return found end
  if found.err then
    leave(key, 1, 'type')
  elseif not found[1] and call('HEXISTS', key, 'deleted_at') == 1 then
    return found
  elseif not found[1] and call('EXISTS', key) == 0 then
    count(1, VANISHED)
  else
    leave(key, 1, 'shape')
  end
  return nil
end

-- Notes if the new record that stands in the place of an old one was not made from it.
local function compare(new, old)
  count(1, ALREADY)
  local text = old[2]
  if not text then return end
  local found = pcall('HMGET', new, 'created_at', KEPT_CREATED)
  if found.err or (found[1] ~= text and found[2] ~= text and found[1] ~= converted(text)) then kept = kept + 1 end
end

local function old_tenant(id)
  local old, old_summary, new, new_summary = KEYS[at], KEYS[at + 1], KEYS[at + 2], KEYS[at + 3]
  local found = old_record(old, id)
  if not found then return end
  if call('EXISTS', new) == 1 then
    if call('EXISTS', old_summary) == 1 then count(1, ALREADY) end
    return compare(new, found)
  end
  if DO.doubt then return leave(old, 1, 'counterpart') end
  if large(old) then return leave(old, 1, 'large') end
  local listed = pcall('HLEN', old_summary)
  local summary = type(listed) == 'number' and listed > 0
  if summary and large(old_summary) and call('EXISTS', new_summary) == 0 then
    return leave(old, 1, 'large summary')
  end
  if not DRY then
    -- The summary first: where the new tenant stands, its summary was copied, whatever has become of it since.
    if summary then call('COPY', old_summary, new_summary) end
    call('COPY', old, new)
  end
  count(1, MIGRATED)
  if summary then count(1, MIGRATED) end
  normalise(new, 'tenant', found[2], found[3], found[4])
end

local function old_destination(id)
  local old, new = KEYS[at], KEYS[at + 1]
  local found = old_record(old, id)
  if not found then return end
  if LOOK and call('EXISTS', new) == 1 then return compare(new, found) end
  if DO.careful and call('EXISTS', KEYS[at + 2]) == 1 then
    -- The tenant was migrated, and with it the list of its destinations. This one was on it and is no longer: it was
    -- deleted since, and must not come back.
    if pcall('HEXISTS', KEYS[at + 3], id) == 0 and pcall('HEXISTS', KEYS[at + 4], id) == 1 then
      gone = gone + 1
      return count(1, ALREADY)
    end
  end
  if DO.doubt then return leave(old, 1, 'counterpart') end
  if large(old) then return leave(old, 1, 'large') end
  if not DRY and call('COPY', old, new) == 0 then return compare(new, found) end
  count(1, MIGRATED)
  normalise(new, 'destination', found[2], found[3], found[4])
end

-- A summary is migrated, and counted, with its tenant; one without tenant by itself.
local function old_summary(id)
  local old, old_tenant_key, new, new_tenant = KEYS[at], KEYS[at + 1], KEYS[at + 2], KEYS[at + 3]
  if call('EXISTS', new) == 1 then return end
  local entry = pcall('HGET', old, 'id')
  if type(entry) == 'table' then return leave(old, 1, 'type') end
  if entry and sub(entry, 1, 1) ~= '{' then return leave(old, 1, 'shape') end
  local owner = pcall('HMGET', old_tenant_key, 'id', 'deleted_at')
  if not owner.err and (owner[1] == id or (not owner[1] and owner[2])) then return end
  if call('EXISTS', new_tenant) == 1 then return count(1, ALREADY) end
  if call('EXISTS', old) == 0 then return count(1, VANISHED) end
  if large(old) then return leave(old, 1, 'large') end
  if not DRY then call('COPY', old, new) end
  count(1, MIGRATED)
end

for _ = 1, ARGV[4] do old_tenant(ARGV[id_at]); at, id_at = at + 4, id_at + 1 end
local step = DO.careful and 5 or 2
for _ = 1, ARGV[5] do old_destination(ARGV[id_at]); at, id_at = at + step, id_at + 1 end
for _ = 1, ARGV[6] do old_summary(ARGV[id_at]); at, id_at = at + 4, id_at + 1 end
for _ = 1, ARGV[7] do record(KEYS[at], 'tenant'); at = at + 1 end
for _ = 1, ARGV[8] do record(KEYS[at], 'destination'); at = at + 1 end
return answer(kept, gone)
