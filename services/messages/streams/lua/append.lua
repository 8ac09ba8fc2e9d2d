-- Appends events behind each other, after every place that is known. Answers the last one's id, or "" where the stream
-- is not as the caller has seen it.
--
-- KEYS: the stream; up to where it is being fed. ARGV: the stream's last entry (0-0: none); up to where it is being fed
-- (0-0: it is not); the greatest place known; the events.
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if (last[1] and last[1][1] or '0-0') ~= ARGV[1] then return '' end
if (redis.call('GET', KEYS[2]) or '0-0') ~= ARGV[2] then return '' end

local millis, seq = string.match(ARGV[3], '^(%d+)-(%d+)$')
local time = redis.call('TIME')
last = nil
if tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) <= tonumber(millis) then
  -- The clock is behind the places that are known. The stream itself may be past them: then this is an error.
  local following = millis .. '-' .. string.format('%.0f', tonumber(seq) + 1)
  local id = redis.pcall('XADD', KEYS[1], following, 'event', ARGV[4])
  if type(id) == 'string' then last = id end
end
last = last or redis.call('XADD', KEYS[1], '*', 'event', ARGV[4])
millis, seq = string.match(last, '^(%d+-)(%d+)$')
seq = tonumber(seq)
for i = 5, #ARGV do
  seq = seq + 1
  last = redis.call('XADD', KEYS[1], millis .. string.format('%.0f', seq), 'event', ARGV[i])
end
return last
