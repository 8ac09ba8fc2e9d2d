-- Answers demands on buckets, by the generic cell rate algorithm: see quota.Meter. A bucket's key has the instant at which
-- it is empty, in microseconds by this server's clock, and goes when that is past.
--
-- KEYS are the buckets of all demands, one after the other. ARGV has for each demand how many buckets it has and 1 where
-- it takes what there is, and then for each bucket: microseconds for one, the burst, how many are wanted. The answer has
-- four numbers for each demand: how many were taken, the place of the bucket that refused from 0 or -1, microseconds to
-- wait, how many the first bucket has left.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local answer, key, at = {}, 1, 1

while at <= #ARGV do
  local buckets, up_to = tonumber(ARGV[at]), ARGV[at + 1] == '1'
  at = at + 2
  local filled, taken, refused, wait, left = {}, 0, -1, 0, 0
  for i = 1, buckets do
    local every, burst, cost = tonumber(ARGV[at]), tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    at = at + 3
    local empty = math.max(now, tonumber(redis.call('GET', KEYS[key + i - 1]) or 0))
    local room = math.max(0, math.floor((every * burst - (empty - now)) / every))
    if up_to then cost = math.min(cost, room) end
    filled[i] = empty + every * cost
    if cost > room and refused < 0 then
      refused, wait = i - 1, filled[i] - every * burst - now
    end
    if i == 1 then taken, left = cost, room - cost end
  end
  if refused < 0 then
    for i = 1, buckets do
      if filled[i] > now then
        redis.call('SET', KEYS[key + i - 1], string.format('%.0f', filled[i]), 'PX', math.ceil((filled[i] - now) / 1000))
      end
    end
  else
    left = left + taken
    taken = 0
  end
  key = key + buckets
  answer[#answer + 1], answer[#answer + 2] = taken, refused
  answer[#answer + 1], answer[#answer + 2] = math.ceil(wait), math.max(0, left)
end
return answer
