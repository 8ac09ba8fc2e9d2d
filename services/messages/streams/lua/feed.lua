-- Notes up to where the stream is being fed again. A greater place that is noted already stays.
--
-- KEYS: up to where it is being fed. ARGV: the place, its milliseconds, its sequence number.
local noted = redis.call('GET', KEYS[1])
if noted then
  local millis, seq = string.match(noted, '^(%d+)-(%d+)$')
  millis, seq = tonumber(millis), tonumber(seq)
  local m, s = tonumber(ARGV[2]), tonumber(ARGV[3])
  if millis > m or (millis == m and seq >= s) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[1])
return 1
