"""The Lua scripts of the Valkey store: each runs as one step, by the server's clock.

Keys of a stream: `meta` (hash: epoch, offset, time, lost, keep), `log` (stream: id
`<offset>-0`, fields time, id, message); of its presence: `present` (hash: `s<sid>` → id, `i<id>` →
info), `present-expiry` (sorted set: sid by time), `present-ids` (sorted set: `<length of
id>:<id><sid>`, to find the sessions of an id). Times are ms. Written for Valkey 8+ and Redis 7+.
"""

from __future__ import annotations

import hashlib

from cable.store.interface import SWEEP_LIMIT, UNSWEPT_MS, UNUSED_MS


class Script:
    """A text and the name under which the server keeps it once it ran."""

    def __init__(self, *parts: str) -> None:
        self.text = "".join(parts)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


CLOCK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function text(number) return string.format('%.0f', number) end
"""

# KEYS: meta, log. ARGV: a new epoch, age of messages, age of metadata, then the script's own.
_OPEN = """
local meta, log = KEYS[1], KEYS[2]
local age, keep = tonumber(ARGV[2]), ARGV[3]
local function id(offset) return text(offset) .. '-0' end
local function time_of(entry) return tonumber(entry[2][2]) end
local function at(offset) return redis.call('XRANGE', log, id(offset), id(offset))[1] end

local function begin(lost)
  redis.call('DEL', log)
  redis.call('HSET', meta, 'epoch', ARGV[1], 'offset', 0, 'time', 0, 'lost', text(lost))
  return ARGV[1], 0, 0, lost
end

local function drop_aged(offset, time, lost)
  local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
  local dropped = lost
  if not oldest then
    dropped = time
  elseif time_of(oldest) <= now - age then
    local first = tonumber(string.match(oldest[1], '^%d+'))
    while oldest and time_of(oldest) <= now - age do
      dropped, first = time_of(oldest), first + 1
      oldest = at(first)
    end
    redis.call('XTRIM', log, 'MINID', '=', id(first))
  end
  if dropped ~= lost then redis.call('HSET', meta, 'lost', text(dropped)) end
  return dropped
end

local function open()
  local known = redis.call('HMGET', meta, 'epoch', 'offset', 'time', 'lost')
  if not known[1] then return begin(0) end
  local offset, time, lost = tonumber(known[2]), tonumber(known[3]), tonumber(known[4])
  if offset > 0 then lost = drop_aged(offset, time, lost) end
  return known[1], offset, time, lost
end

local function renew(used)
  -- Of a stream that never had a message, nothing is missed when its epoch is forgotten early.
  local time = keep
  if used == 0 then time = text(math.min(tonumber(keep), math.max(age, UNUSED_MS))) end
  redis.call('HSET', meta, 'keep', time)
  redis.call('PEXPIRE', meta, time)
end
""".replace("UNUSED_MS", str(UNUSED_MS))

# More of ARGV: limit, message id, message, 1 for a retry.
APPEND = Script(
    CLOCK,
    _OPEN,
    """
local limit = tonumber(ARGV[4])
local epoch, offset, time, lost = open()
if ARGV[7] == '1' then
  local upper, found = '+', nil
  repeat
    found = redis.call('XREVRANGE', log, upper, '-', 'COUNT', 16)
    for _, entry in ipairs(found) do
      if entry[2][4] == ARGV[5] then
        renew(1)
        return {epoch, string.match(entry[1], '^%d+'), entry[2][2]}
      end
      upper = '(' .. entry[1]
    end
  until #found < 16
end
offset, time = offset + 1, math.max(now, time, lost)
if offset > limit then
  local dropped = at(offset - limit)
  if dropped then lost = time_of(dropped) end
end
redis.call('XADD', log, 'MAXLEN', '=', limit, id(offset),
  'time', text(time), 'id', ARGV[5], 'message', ARGV[6])
redis.call('PEXPIRE', log, ARGV[2])
redis.call('HSET', meta, 'offset', text(offset), 'time', text(time), 'lost', text(lost))
renew(offset)
return {epoch, text(offset), text(time)}
""",
)

# More of ARGV: the offset to read after; -1 for the head alone. Returns the head, the time of the
# newest lost, then times and messages in turn: a flat answer is read three times as fast.
READ = Script(
    CLOCK,
    _OPEN,
    """
local after = tonumber(ARGV[4])
local epoch, offset, time, lost = open()
renew(offset + lost)
local answer = {epoch, text(offset), text(time), text(lost)}
if after >= 0 and after < offset then
  for _, entry in ipairs(redis.call('XRANGE', log, id(after + 1), '+')) do
    answer[#answer + 1] = entry[2][2]
    answer[#answer + 1] = entry[2][6]
  end
end
return answer
""",
)

RESTART = Script(
    CLOCK,
    _OPEN,
    """
local epoch, offset, time, lost = open()
begin(math.max(now, time, lost))
renew(1)
return {ARGV[1], '0', '0'}
""",
)

# KEYS: meta.
KNOWN_HEAD = Script("""
local known = redis.call('HMGET', KEYS[1], 'epoch', 'offset', 'time', 'keep')
if not known[1] then return {} end
redis.call('PEXPIRE', KEYS[1], known[4])
return {known[1], known[2], known[3]}
""")

# KEYS: present, present-expiry, present-ids.
_PRESENCE = f"""
local present, expiry, ids = KEYS[1], KEYS[2], KEYS[3]
local unswept, sweep_limit = {UNSWEPT_MS}, {SWEEP_LIMIT}
local function prefix(id) return #id .. ':' .. id end

local function sessions(id, limit)
  local first, last = '[' .. prefix(id), '(' .. prefix(id) .. '\\255'
  return redis.call('ZRANGEBYLEX', ids, first, last, 'LIMIT', 0, limit)
end

local function is_live(id)
  for _, member in ipairs(sessions(id, -1)) do
    local expires = redis.call('ZSCORE', expiry, string.sub(member, #prefix(id) + 1))
    if expires and tonumber(expires) > now then return true end
  end
  return false
end

local function remove(sid)
  local id = redis.call('HGET', present, 's' .. sid)
  if not id then return false end
  redis.call('HDEL', present, 's' .. sid)
  redis.call('ZREM', expiry, sid)
  redis.call('ZREM', ids, prefix(id) .. sid)
  if sessions(id, 1)[1] then return false end
  redis.call('HDEL', present, 'i' .. id)
  return id
end

local function renew(seconds)
  local ttl = seconds + unswept
  for _, key in ipairs(KEYS) do
    if redis.call('PTTL', key) < ttl then redis.call('PEXPIRE', key, text(ttl)) end
  end
end
"""

# ARGV: sid, id, info, time to live.
JOIN = Script(
    CLOCK,
    _PRESENCE,
    """
local sid, id = ARGV[1], ARGV[2]
local known = redis.call('HGET', present, 's' .. sid)
if known and known ~= id then return 'mismatch' end
local answer = is_live(id) and 'known' or 'joined'
redis.call('HSET', present, 's' .. sid, id, 'i' .. id, ARGV[3])
redis.call('ZADD', expiry, text(now + ARGV[4]), sid)
redis.call('ZADD', ids, 0, prefix(id) .. sid)
renew(ARGV[4])
return answer
""",
)

# ARGV: sid.
LEAVE = Script(CLOCK, _PRESENCE, "return remove(ARGV[1])")

# ARGV: time to live, sids. Returns the sids that are not there.
TOUCH = Script(
    CLOCK,
    _PRESENCE,
    """
local missing = {}
for i = 2, #ARGV do
  if redis.call('ZSCORE', expiry, ARGV[i]) then
    redis.call('ZADD', expiry, text(now + ARGV[1]), ARGV[i])
  else
    missing[#missing + 1] = ARGV[i]
  end
end
renew(ARGV[1])
return missing
""",
)

SWEEP = Script(
    CLOCK,
    _PRESENCE,
    """
local left = {}
for _, sid in ipairs(redis.call(
  'ZRANGEBYSCORE', expiry, '-inf', text(now), 'LIMIT', 0, sweep_limit
)) do
  local id = remove(sid)
  if id then left[#left + 1] = id end
end
return left
""",
)

# Returns ids and infos in turn.
MEMBERS = Script(
    CLOCK,
    _PRESENCE,
    """
local members, seen = {}, {}
for _, sid in ipairs(redis.call('ZRANGEBYSCORE', expiry, '(' .. text(now), '+inf')) do
  local id = redis.call('HGET', present, 's' .. sid)
  if not seen[id] then
    seen[id] = true
    members[#members + 1] = id
    members[#members + 1] = redis.call('HGET', present, 'i' .. id)
  end
end
return members
""",
)
