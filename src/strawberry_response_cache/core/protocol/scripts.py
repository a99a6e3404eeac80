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

from typing import Final

from strawberry_response_cache.core.protocol.lookup_script import LOOKUP
from strawberry_response_cache.core.protocol.script import (
    FAILED,
    HEADER,
    INVALIDATED,
    NOW,
    Script,
    script,
)

TAG_TABLE_LIFE_MS: Final = 5 * 60 * 1000
"""How long a tag table is kept after its last lease, and after the end of the last entry: each renewal of a lease and
each commit extends it."""

_RELEASED: Final = """
-- Delete a lease, and wake the callers that wait for it, if there are any.
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

COMMIT: Final = script(
    "commit",
    FAILED,
    HEADER,
    INVALIDATED,
    NOW,
    _RELEASED,
    """
-- KEYS: entry, lease, tag table, and with 'absent' the entry's own lease.
-- ARGV: token, epoch, clock, tags, px, table ms, run id, channel, entry, 'keep', 'drop' or 'absent'.
-- Answers token and 'stored' or 'refused'; the lease is gone in either case, unless it is to be kept. With 'absent'
-- it is kept too, and nothing is stored where an entry or another lease stands.
local token = ARGV[1]
local holder = held_by(KEYS[2], token)
local function done()
  if ARGV[10] == 'drop' then drop(KEYS[2], holder, ARGV[8]) end
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
if ARGV[10] == 'absent' and redis.call('EXISTS', KEYS[1], KEYS[4]) > 0 then return token .. ' refused' end
local set = redis.pcall('SET', KEYS[1], ARGV[9], 'PX', ARGV[5])
done()
if failed(set) then
  -- A full server: a dead entry here makes room for the next try.
  local old = header(KEYS[1])
  local tags = old and tags_of(old)
  if tags and (old.epoch ~= epoch or old.clock < floor or invalidated(KEYS[3], tags, old.clock)) then
    redis.pcall('UNLINK', KEYS[1])
  end
  return set
end
if redis.call('PTTL', KEYS[3]) < tonumber(ARGV[6]) then redis.call('PEXPIRE', KEYS[3], ARGV[6]) end
return token .. ' stored'
""",
)

RENEW: Final = script(
    "renew",
    FAILED,
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

THROTTLE: Final = script(
    "throttle",
    FAILED,
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

RELEASE: Final = script(
    "release",
    FAILED,
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

INVALIDATE: Final = script(
    "invalidate",
    FAILED,
    NOW,
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
  -- A full server refuses a write that may take memory only if it is the first write of a script. So a write that
  -- takes none comes first. The memory is that of the tags, and bounded like them. Dropping the table instead would
  -- end every entry of the tenant, and a full server would store no new ones.
  redis.call('HDEL', KEYS[1], '-')
  clock = tick()
end
if failed(clock) then
  -- The server still refuses, or the clock cannot rise any more: invalidate everything of the tenant.
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

FORGET: Final = script(
    "forget",
    """
-- KEYS: entry or lease.  ARGV: nonce, channel, the first word of the message.
-- One key at a time: while a slot moves, a cluster refuses scripts of which some keys are missing.
-- A marker stays: it has no value, and without it the next value might be stored for all.
local head = redis.pcall('GETRANGE', KEYS[1], 0, 511)
if type(head) == 'string' and string.match(head, '^rc1 %x+ %x+ %S+ %S+ %d+ %d+ %d+ %d+ %S+ %S*%-marker ') then
  return ARGV[1]
end
redis.call('UNLINK', KEYS[1])
redis.pcall('PUBLISH', ARGV[2], ARGV[3] .. ' ' .. KEYS[1])
return ARGV[1]
""",
)

CLEAR: Final = script(
    "clear",
    """
-- KEYS: tag table.  ARGV: nonce, channel.
-- With the epoch gone no entry is good and no running generation commits.
redis.call('UNLINK', KEYS[1])
redis.pcall('PUBLISH', ARGV[2], 'c ' .. KEYS[1])
return ARGV[1]
""",
)

__all__ = [
    "CLEAR",
    "COMMIT",
    "FORGET",
    "INVALIDATE",
    "LOOKUP",
    "RELEASE",
    "RENEW",
    "SCRIPTS",
    "TAG_TABLE_LIFE_MS",
    "THROTTLE",
]

SCRIPTS: Final[tuple[Script, ...]] = (
    LOOKUP,
    COMMIT,
    RENEW,
    THROTTLE,
    RELEASE,
    INVALIDATE,
    FORGET,
    CLEAR,
)
