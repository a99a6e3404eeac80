"""The Lua scripts: each is atomic and uses the keys of one slot.

The tag table ``{ns}:t`` holds the tenant's epoch ``e`` (random), the run id of its server ``r``, the
clock ``c`` (an integer that each invalidation raises), the floor ``f`` and, under ``t:<tag>``, the clock of
that tag's last invalidation. An entry remembers epoch and clock of the moment its lease was granted. It is
good while the epoch is the same, its clock is not below the floor and none of its tags was invalidated
at a later clock. If the table is lost, or was written under another run of the server, every entry
of the tenant is a miss: the cache fails closed. The clocks of clients are not used.

A lease holds its holder's token, epoch and clock, and a mark if a caller waits for it. If the holder's
value cannot be stored any more, as after a restart from a snapshot, the lease is void: the next caller
takes it.

Every script answers with a string of words. The first word is its own first argument, a random word of the
caller. It reveals a connection that is out of step, so that one key never gets the answer of another.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

TAG_TABLE_LIFE_MS: Final = 5 * 60 * 1000
"""How long a tag table is kept after its last lease, and after the end of the last entry: each renewal of a lease and
each commit extends it."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the digest by which a server knows it."""

    name: str
    text: str
    sha: str


def _script(name: str, *parts: str) -> Script:
    source = "".join(parts)
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


_FAILED: Final = """
local function failed(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

-- The first word of an error, such as OOM.
local function code(reply)
  return string.match(reply.err, '%u%u+') or 'ERR'
end
"""

_HEADER: Final = """
-- The header of an entry, or nil. Never the payload.
local function header(key)
  local head = redis.pcall('GETRANGE', key, 0, 511)
  if failed(head) then return nil end
  local length = string.match(head, '^rc1 %x%x%x%x%x%x%x%x (%x%x%x%x%x%x%x%x) ')
  if not length then return nil end
  length = tonumber(length, 16)
  if length > 4194304 then return nil end
  if length > 512 then head = redis.call('GETRANGE', key, 0, length - 1) end
  local wid, epoch, clock, stale, cost, tags = string.match(string.sub(head, 1, length),
    '^rc1 %x+ %x+ (%S+) (%S+) (%d+) %d+ (%d+) (%d+) %S+ %S+ %S+ (%S*)\\n$')
  if not wid then return nil end
  return {wid = wid, epoch = epoch, clock = tonumber(clock), stale = tonumber(stale),
    cost = tonumber(cost), tags = tags}
end
"""

_INVALIDATED: Final = """
-- Whether one of the tags, separated by commas, was invalidated after the clock.
local function invalidated(table_key, tags, clock)
  local fields = {}
  local function later()
    if #fields == 0 then return false end
    local times = redis.call('HMGET', table_key, unpack(fields))
    fields = {}
    for _, time in ipairs(times) do
      if time and tonumber(time) > clock then return true end
    end
    return false
  end
  for tag in string.gmatch(tags, '[^,]+') do
    fields[#fields + 1] = 't:' .. tag
    if #fields == 1000 and later() then return true end
  end
  return later()
end
"""

_NOW: Final = """
-- Epoch, clock and floor of the tenant, or nil. Without a clock, or under another run of the server
-- (a restart from an old snapshot, a replica that lagged), the table counts as lost.
local function now(table_key, run_id)
  local state = redis.pcall('HMGET', table_key, 'e', 'c', 'f', 'r')
  if failed(state) then
    redis.pcall('DEL', table_key)
    return nil
  end
  if not state[1] or not string.match(state[2] or '', '^%d+$') then return nil end
  if run_id ~= '' and state[4] ~= run_id then return nil end
  return state[1], tonumber(state[2]), tonumber(state[3] or 0) or 0
end
"""

LOOKUP: Final = _script(
    "lookup",
    _FAILED,
    _HEADER,
    _INVALIDATED,
    _NOW,
    """
-- KEYS: entry, lease, tag table.
-- ARGV: token, lease ms (0 asks for none), seed of a fresh epoch, table ms, rejected write id, run id,
-- draw.
-- Answers token, state, write id, pttl, epoch, clock. The states of an entry: 'fresh', 'stale'
-- (another refreshes it), 'refresh' (the lease to refresh it is yours). Without one: 'granted' (the
-- lease is yours), 'held' (another has it), 'refused' (the server takes no writes; in place of the epoch
-- stands why).
local function said(token, state, wid, pttl, epoch, clock)
  return string.format('%s %s %s %d %s %d', token, state, wid, pttl, epoch, clock)
end

local token = ARGV[1]
local epoch, clock, floor = now(KEYS[3], ARGV[6])
local fresh_epoch = nil
if not epoch then
  -- Never one that was there before: not even if this very lookup is repeated after a clear.
  local time = redis.call('TIME')
  fresh_epoch, clock, floor = ARGV[3] .. time[1] .. '.' .. time[2], 0, 0
end
local found, outdated_tags, is_dead = nil, nil, false
if redis.call('EXISTS', KEYS[1]) == 1 then
  found = header(KEYS[1])
  if not found or found.wid == ARGV[5] then
    redis.pcall('DEL', KEYS[1])
    found = nil
  elseif not epoch or found.epoch ~= epoch or found.clock < floor then
    -- Dead for good: no epoch returns, and a clock never goes back.
    found, is_dead = nil, true
  elseif invalidated(KEYS[3], found.tags, found.clock) then
    found, outdated_tags, is_dead = nil, found.tags, true
  end
end
local pttl = 0
if found then
  pttl = redis.call('PTTL', KEYS[1])
  -- XFetch: the longer an entry took to generate, the earlier a caller refreshes it.
  if pttl > found.stale and pttl - found.stale > found.cost * tonumber(ARGV[7]) then
    return said(token, 'fresh', found.wid, pttl, epoch, found.clock)
  end
  if pttl <= 0 then found = nil end
end

-- Whether a lease is of no use: its value cannot be stored, or no caller generates it any more.
local function is_void(holder)
  local of, since = string.match(holder, ' (%S+) (%d+)!?$')
  if not of then return false end
  if of ~= epoch or tonumber(since) < floor then return true end
  -- A refresh that failed keeps others from trying again while there is something to serve.
  if string.sub(holder, 1, 2) == '- ' then return not found end
  -- Its run began before an invalidation of what it most likely carries.
  return outdated_tags and invalidated(KEYS[3], outdated_tags, tonumber(since))
end

local refusal = '-'
local function refused(reply)
  refusal = code(reply)
  return 'refused'
end

local function lease()
  if ARGV[2] == '0' then return 'held' end
  local mine = string.format('%s %s %d', token, epoch or fresh_epoch, clock)
  local set = redis.pcall('SET', KEYS[2], mine, 'NX', 'PX', ARGV[2])
  if failed(set) and is_dead then
    -- The server is full, and a dead entry takes room until its ttl ends. Once it is gone, the lease may be
    -- set: see `INVALIDATE`. On other servers it stays, since its tags tell which leases are void.
    redis.pcall('UNLINK', KEYS[1])
    set = redis.pcall('SET', KEYS[2], mine, 'NX', 'PX', ARGV[2])
  end
  if failed(set) then return refused(set) end
  if set then return 'granted' end
  local holder = redis.pcall('GET', KEYS[2])
  -- Not one of ours: a lease is a string that ends. Or our own: a lookup that is repeated because its
  -- answer was lost.
  if failed(holder) or redis.call('PTTL', KEYS[2]) < 0
      or string.sub(holder, 1, #token) == token or is_void(holder) then
    redis.pcall('DEL', KEYS[2])
    set = redis.pcall('SET', KEYS[2], mine, 'PX', ARGV[2])
    if failed(set) then return refused(set) end
    return 'granted'
  end
  -- The mark tells the holder to wake the callers that wait.
  if not found and string.sub(holder, -1) ~= '!' then redis.pcall('APPEND', KEYS[2], '!') end
  return 'held'
end

local state = lease()
if state == 'granted' and not epoch then
  epoch = fresh_epoch
  redis.pcall('DEL', KEYS[3])
  local set = redis.pcall('HSET', KEYS[3], 'e', epoch, 'c', '0', 'r', ARGV[6])
  if failed(set) then
    redis.pcall('DEL', KEYS[2])
    state = refused(set)
  else
    redis.call('PEXPIRE', KEYS[3], ARGV[4])
  end
end
if found then
  if state == 'granted' then
    state = 'refresh'
  elseif pttl > found.stale then
    state, clock = 'fresh', found.clock
  else
    state = 'stale'
  end
  return said(token, state, found.wid, pttl, epoch, clock)
end
if state == 'refused' then return said(token, state, '-', 0, refusal, 0) end
return said(token, state, '-', 0, epoch or '-', clock)
""",
)

_RELEASED: Final = """
-- Drop a lease, and wake those who wait for it, if there are any.
local function drop(lease_key, holder, channel)
  redis.call('DEL', lease_key)
  if string.sub(holder, -1) == '!' then redis.pcall('PUBLISH', channel, 'w ' .. lease_key) end
end

local function held_by(lease_key, token)
  local holder = redis.pcall('GET', lease_key)
  if type(holder) ~= 'string' or string.sub(holder, 1, #token) ~= token then return nil end
  return holder
end
"""

COMMIT: Final = _script(
    "commit",
    _FAILED,
    _HEADER,
    _INVALIDATED,
    _NOW,
    _RELEASED,
    """
-- KEYS: entry, lease, tag table.
-- ARGV: token, epoch, clock, tags, px, table ms, run id, channel, entry, 'keep' or 'drop'.
-- Answers token and 'stored' or 'refused'; the lease is gone in either case, unless it is to be kept.
local token = ARGV[1]
local holder = held_by(KEYS[2], token)
local function done()
  if ARGV[10] ~= 'keep' then drop(KEYS[2], holder, ARGV[8]) end
end
if not holder then
  -- A commit that is repeated because its answer was lost finds its own entry.
  local found = header(KEYS[1])
  if found and found.wid == token then return token .. ' stored' end
  return token .. ' refused'
end
local epoch, _, floor = now(KEYS[3], ARGV[7])
local clock = tonumber(ARGV[3])
if epoch ~= ARGV[2] or clock < floor or invalidated(KEYS[3], ARGV[4], clock) then
  done()
  return token .. ' refused'
end
local set = redis.pcall('SET', KEYS[1], ARGV[9], 'PX', ARGV[5])
done()
if failed(set) then
  -- A full server: a dead entry here makes room for the next try.
  local old = header(KEYS[1])
  if old and (old.epoch ~= epoch or old.clock < floor
      or invalidated(KEYS[3], old.tags, old.clock)) then
    redis.pcall('UNLINK', KEYS[1])
  end
  return set
end
if redis.call('PTTL', KEYS[3]) < tonumber(ARGV[6]) then redis.call('PEXPIRE', KEYS[3], ARGV[6]) end
return token .. ' stored'
""",
)

RENEW: Final = _script(
    "renew",
    _FAILED,
    _RELEASED,
    """
-- KEYS: lease, tag table.  ARGV: token, lease ms, table ms.
-- A commit needs the table's epoch, so the table lives as long as the lease.
if held_by(KEYS[1], ARGV[1]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  if redis.call('PTTL', KEYS[2]) < tonumber(ARGV[3]) then redis.call('PEXPIRE', KEYS[2], ARGV[3]) end
end
return ARGV[1]
""",
)

THROTTLE: Final = _script(
    "throttle",
    _FAILED,
    _RELEASED,
    """
-- KEYS: lease.  ARGV: token, lease ms, channel.
-- No caller generates for this lease any more. It counts while there is a stale entry to serve.
local holder = held_by(KEYS[1], ARGV[1])
if holder then
  local nobodys = '-' .. string.sub(holder, #ARGV[1] + 1)
  redis.pcall('SET', KEYS[1], nobodys, 'PX', ARGV[2])
  if string.sub(holder, -1) == '!' then redis.pcall('PUBLISH', ARGV[3], 'w ' .. KEYS[1]) end
end
return ARGV[1]
""",
)

RELEASE: Final = _script(
    "release",
    _FAILED,
    _RELEASED,
    """
-- KEYS: lease.  ARGV: token, channel.
-- Answers token and 'released', or 'nothing' if it is not held by this token.
local holder = held_by(KEYS[1], ARGV[1])
if not holder then return ARGV[1] .. ' nothing' end
drop(KEYS[1], holder, ARGV[2])
return ARGV[1] .. ' released'
""",
)

INVALIDATE: Final = _script(
    "invalidate",
    _FAILED,
    _NOW,
    """
-- KEYS: tag table.  ARGV: nonce, run id, the bound on its size, channel, tags.
-- Where there is no table, no entry of this tenant is good and no lease can commit: nothing to do.
local epoch, clock, floor = now(KEYS[1], ARGV[2])
if not epoch then
  redis.call('DEL', KEYS[1])
  redis.pcall('PUBLISH', ARGV[4], 'c ' .. KEYS[1])
  return ARGV[1]
end
-- A tick for each tag, so that ticks bound how many tags are younger than a clock.
local function tick()
  return redis.pcall('HINCRBY', KEYS[1], 'c', #ARGV - 4)
end
clock = tick()
if failed(clock) then
  -- A server that is full refuses what may take room, but only as the first write of a script: after one that
  -- takes none, it sees the script through. The room is that of the tags, and bounded as they are. Dropping the
  -- table instead would end every entry of the tenant, and a full server lets none be made again.
  redis.call('HDEL', KEYS[1], '-')
  clock = tick()
end
if failed(clock) then
  -- A server that keeps to it, or a clock at its end: everything of the tenant goes.
  redis.call('DEL', KEYS[1])
  redis.pcall('PUBLISH', ARGV[4], 'c ' .. KEYS[1])
  return ARGV[1]
end
local tags = {}
for i = 5, #ARGV do
  redis.call('HSET', KEYS[1], 't:' .. ARGV[i], clock)
  tags[#tags + 1] = ARGV[i]
end
redis.pcall('PUBLISH', ARGV[4],
  string.format('t %s %d %s', KEYS[1], clock, table.concat(tags, ',')))

-- Too many tags: the floor rises to the middle of the last `bound` ticks, and the older ones are
-- swept out in steps, so that no invalidation waits for a walk through the whole table.
local bound = tonumber(ARGV[3])
local cursor = redis.call('HGET', KEYS[1], 's')
if not cursor and redis.call('HLEN', KEYS[1]) > bound then
  cursor = '0'
  floor = clock - math.floor(bound / 2)
  redis.call('HSET', KEYS[1], 'f', floor)
end
if cursor then
  local swept = redis.call('HSCAN', KEYS[1], cursor, 'COUNT', 200 + 4 * #tags)
  for i = 1, #swept[2], 2 do
    if string.sub(swept[2][i], 1, 2) == 't:' and tonumber(swept[2][i + 1]) <= floor then
      redis.call('HDEL', KEYS[1], swept[2][i])
    end
  end
  if swept[1] == '0' then
    redis.call('HDEL', KEYS[1], 's')
  else
    redis.call('HSET', KEYS[1], 's', swept[1])
  end
end
return ARGV[1]
""",
)

FORGET: Final = _script(
    "forget",
    """
-- KEYS: entry or lease.  ARGV: nonce, channel, what is told of it.
-- One key at a time: while a slot moves, a cluster refuses scripts of which some keys are missing.
redis.call('UNLINK', KEYS[1])
redis.pcall('PUBLISH', ARGV[2], ARGV[3] .. ' ' .. KEYS[1])
return ARGV[1]
""",
)

CLEAR: Final = _script(
    "clear",
    """
-- KEYS: tag table.  ARGV: nonce, channel.
-- With the epoch gone no entry is good and no running generation commits.
redis.call('UNLINK', KEYS[1])
redis.pcall('PUBLISH', ARGV[2], 'c ' .. KEYS[1])
return ARGV[1]
""",
)

SCRIPTS: Final = (LOOKUP, COMMIT, RENEW, THROTTLE, RELEASE, INVALIDATE, FORGET, CLEAR)
