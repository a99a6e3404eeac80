"""The server's side of the protocol: small scripts, each atomic, each over the keys of one slot.

The tag table ``{ns}:t`` holds the tenant's epoch ``e`` (random), clock ``c`` (an integer that each
purge raises) and, under ``t:<tag>``, the clock of that tag's last purge. An entry remembers epoch
and clock of the moment its lease was granted. It is good while the epoch is the same and none of
its tags was purged at a later clock. If the table is lost, its epoch is lost with it and every
entry of the tenant is a miss: the cache fails closed. No clock of a client takes part.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

TAG_TABLE_LIFE_MS: Final = 24 * 3600 * 1000
"""How long a tag table outlives its last use; each commit extends it beyond its entry's life."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the digest by which a server knows it."""

    name: str
    text: str
    sha: str


def _script(name: str, text: str) -> Script:
    source = _SHARED + text
    return Script(name, source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest())


_SHARED: Final = """
local function failed(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

-- The header of an entry, or nil. Never the payload.
local function header(key)
  local head = redis.pcall('GETRANGE', key, 0, 511)
  if failed(head) then return nil end
  local length = string.match(head, '^rc1 %x%x%x%x%x%x%x%x (%x%x%x%x%x%x%x%x) ')
  if not length then return nil end
  length = tonumber(length, 16)
  if length > 4194304 then return nil end
  if length > 512 then head = redis.call('GETRANGE', key, 0, length - 1) end
  local wid, epoch, clock, ttl, stale, tags = string.match(string.sub(head, 1, length),
    '^rc1 %x+ %x+ (%S+) (%S+) (%d+) (%d+) (%d+) %S+ %S+ (%S*)\\n$')
  if not wid then return nil end
  return {wid = wid, epoch = epoch, clock = tonumber(clock), stale = tonumber(stale), tags = tags}
end

-- Whether one of the tags, separated by commas, was purged after the clock.
local function purged(table_key, tags, clock)
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

-- Epoch and clock of the tenant, or nil.
local function now(table_key)
  local state = redis.pcall('HMGET', table_key, 'e', 'c')
  if failed(state) then
    redis.pcall('DEL', table_key)
    return nil, nil
  end
  if not state[1] then return nil, nil end
  -- A table whose clock is no clock is foreign: without it, every entry is a miss.
  if not string.match(state[2] or '', '^%d+$') then
    redis.pcall('DEL', table_key)
    return nil, nil
  end
  return state[1], tonumber(state[2])
end
"""

LOOKUP: Final = _script(
    "lookup",
    """
-- KEYS: entry, lease, tag table.  ARGV: token, lease ms, fresh epoch, table ms, rejected write id.
-- Answers {verdict, write id, pttl, epoch, clock}. The verdicts of an entry: 'fresh', 'stale' (another
-- refreshes it), 'refresh' (stale, and the lease is yours). Without one: 'granted' (the lease is
-- yours), 'held' (another has it), 'refused' (the server takes no writes).
local epoch, clock = now(KEYS[3])
local found = nil
if redis.call('EXISTS', KEYS[1]) == 1 then
  found = header(KEYS[1])
  if not found or found.wid == ARGV[5] then
    redis.pcall('DEL', KEYS[1])
    found = nil
  elseif not epoch or found.epoch ~= epoch or purged(KEYS[3], found.tags, found.clock) then
    found = nil
  end
end
local pttl = 0
if found then
  pttl = redis.call('PTTL', KEYS[1])
  if pttl > found.stale then return {'fresh', found.wid, pttl, epoch, found.clock} end
  if pttl <= 0 then found = nil end
end

local function lease()
  local set = redis.pcall('SET', KEYS[2], ARGV[1], 'NX', 'PX', ARGV[2])
  if failed(set) then return 'refused' end
  if set then return 'granted' end
  local holder = redis.pcall('GET', KEYS[2])
  if failed(holder) or redis.call('PTTL', KEYS[2]) < 0 then
    -- Not one of ours: a lease is a string that ends.
    redis.pcall('DEL', KEYS[2])
    if failed(redis.pcall('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])) then return 'refused' end
    return 'granted'
  end
  -- A lookup that is repeated because its answer was lost finds its own lease.
  if holder == ARGV[1] then return 'granted' end
  return 'held'
end

local verdict = lease()
if verdict == 'granted' and not epoch then
  epoch, clock = ARGV[3], 0
  if failed(redis.pcall('HSET', KEYS[3], 'e', epoch, 'c', '0')) then
    redis.pcall('DEL', KEYS[2])
    verdict = 'refused'
  else
    redis.call('PEXPIRE', KEYS[3], ARGV[4])
  end
end
if found then
  if verdict == 'granted' then verdict = 'refresh' else verdict = 'stale' end
  return {verdict, found.wid, pttl, epoch, clock}
end
return {verdict, '', 0, epoch or '', clock or 0}
""",
)

COMMIT: Final = _script(
    "commit",
    """
-- KEYS: entry, lease, tag table.  ARGV: token, epoch, clock, tags, px, table ms, write id, entry.
-- Answers 'stored' or 'refused'; the lease is gone in either case.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  -- A commit that is repeated because its answer was lost finds its own entry.
  local found = header(KEYS[1])
  if found and found.wid == ARGV[7] then return 'stored' end
  return 'refused'
end
local epoch = now(KEYS[3])
if epoch ~= ARGV[2] or purged(KEYS[3], ARGV[4], tonumber(ARGV[3])) then
  redis.call('DEL', KEYS[2])
  return 'refused'
end
local set = redis.pcall('SET', KEYS[1], ARGV[8], 'PX', ARGV[5])
redis.call('DEL', KEYS[2])
if failed(set) then return set end
if redis.call('PTTL', KEYS[3]) < tonumber(ARGV[6]) then redis.call('PEXPIRE', KEYS[3], ARGV[6]) end
return 'stored'
""",
)

RENEW: Final = _script(
    "renew",
    """
-- KEYS: lease.  ARGV: token, lease ms.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""",
)

RELEASE: Final = _script(
    "release",
    """
-- KEYS: lease.  ARGV: token.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""",
)

INVALIDATE: Final = _script(
    "invalidate",
    """
-- KEYS: tag table.  ARGV: the bound on its size, then tags.
-- Where there is no table, no entry of this tenant is good and no lease can commit: nothing to do.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local clock = redis.call('HINCRBY', KEYS[1], 'c', 1)
for i = 2, #ARGV do redis.call('HSET', KEYS[1], 't:' .. ARGV[i], clock) end
if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[1]) then redis.call('DEL', KEYS[1]) end
return clock
""",
)

SCRIPTS: Final = (LOOKUP, COMMIT, RENEW, RELEASE, INVALIDATE)
