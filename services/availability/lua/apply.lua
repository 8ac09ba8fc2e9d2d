-- apply stores each of some entries if it is newer than what is stored, and tells listeners in the same step. It
-- returns how many it stored.
-- KEYS[i] an entry's key   ARGV[3i-2] its version   ARGV[3i-1] the entry   ARGV[3i] the run's channel
local applied = 0
for i, key in ipairs(KEYS) do
  local version = ARGV[3 * i - 2]
  if stored(key) < tonumber(version, 10) then
    redis.call('SET', key, ARGV[3 * i - 1])
    redis.call('PUBLISH', ARGV[3 * i], 'r ' .. version)
    applied = applied + 1
  end
end
return applied
