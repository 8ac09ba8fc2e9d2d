-- stored is the version of the entry at a key, or -1 where there is no entry that can be read. It goes before each of
-- the other scripts. What an entry looks like: see entry.go.
local function stored(key)
  -- pcall: a key of another type is not an entry, and no reason to fail.
  local header = redis.pcall('GETRANGE', key, 0, 54)
  if type(header) ~= 'string' or #header ~= 55 then
    return -1
  end
  local version, counts = string.match(header, '^(%d+)[PSW]%x+(%d%d%d%d%d%d)$')
  if not version or #version ~= 16 then
    return -1
  end
  -- The base is given: where a number is guessed from a text, a leading zero means octal to some interpreters.
  if redis.call('STRLEN', key) ~= 55 + 2 * tonumber(counts, 10) then
    return -1
  end
  return tonumber(version, 10)
end
