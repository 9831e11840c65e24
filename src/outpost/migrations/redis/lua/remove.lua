-- KEYS [fence,] records   ARGV own fence or '', `unlink` or `strip` (take off the replaced times)
-- Replies with how many records it has changed.
--%records
local at = 1
if ARGV[1] ~= '' then
  local refused = REFUSED(KEYS[1], ARGV[1])
  if refused then return refused end
  at = 2
end
local changed = 0
for index = at, #KEYS do
  local n
  if ARGV[2] == 'unlink' then
    n = call('UNLINK', KEYS[index])
  else
    n = pcall('HDEL', KEYS[index], KEPT_CREATED, KEPT_UPDATED)
  end
  if type(n) == 'number' and n > 0 then changed = changed + 1 end
end
return changed
