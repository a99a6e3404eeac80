"""A Lua script, and the functions that several of them share."""

import hashlib
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script and the digest by which a server knows it.

    Attributes:
        name: Its name.
        text: Its text.
        sha: Its digest.
    """

    name: str
    text: str
    sha: str


def script(name: str, *parts: str) -> Script:
    """Return the script of these parts."""
    text = "".join(parts)
    sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(name, text, sha)


FAILED: Final = """
local function failed(reply)
  return type(reply) == 'table' and reply.err ~= nil
end

-- The first word of an error, such as OOM.
local function code(reply)
  return string.match(reply.err, '%u%u+') or 'ERR'
end
"""

HEADER: Final = """
local FACTS = '^rc1 %x+ %x+ (%S+) (%S+) (%d+) %d+ (%d+) (%d+) ()'
local TAGS = '^%S+ %S+ %S+ (%S*)\\n'

-- The facts in the header of an entry, or nil, and whether the key exists. Never the payload.
local function header(key)
  local head = redis.pcall('GETRANGE', key, 0, 511)
  if head == '' then return nil, false end
  if failed(head) then return nil, true end
  local wid, epoch, clock, stale, cost, rest = string.match(head, FACTS)
  if not wid then return nil, true end
  return {key = key, head = head, rest = rest, wid = wid, epoch = epoch, clock = tonumber(clock),
    stale = tonumber(stale), cost = tonumber(cost)}, true
end

-- The tags of an entry, separated by commas, or nil if its header does not end. Most lookups need none.
local function tags_of(found)
  local tags = string.match(found.head, TAGS, found.rest)
  if tags then return tags end
  local length = tonumber(string.match(found.head, '^rc1 %x%x%x%x%x%x%x%x (%x%x%x%x%x%x%x%x) ') or '0', 16)
  if length <= 512 or length > 4194304 then return nil end
  return string.match(redis.call('GETRANGE', found.key, 0, length - 1), TAGS, found.rest)
end
"""

INVALIDATED: Final = """
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

NOW: Final = """
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
