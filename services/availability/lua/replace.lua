-- replace stores an entry, older or newer, if what is stored is still of the version that was seen, and tells listeners
-- in the same step. Version 0 was seen where there was no entry that can be read. It returns 1 when it stored, else 0.
-- KEYS[1] the entry's key   ARGV[1] its version   ARGV[2] the entry   ARGV[3] the run's channel   ARGV[4] seen
local now, seen = stored(KEYS[1]), tonumber(ARGV[4], 10)
if now ~= seen and not (now == -1 and seen == 0) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('PUBLISH', ARGV[3], 'r ' .. ARGV[1])
return 1
