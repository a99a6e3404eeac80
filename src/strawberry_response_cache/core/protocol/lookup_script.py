"""The script of lookups: whether each entry still counts, and if not, which caller gets its lease.

A hit is what a server does most, so this script calls the server as seldom as it can: once for the clock, twice for
each entry, and once more for the tags of all entries that may be outdated. The lookups of one moment share one run of it.
"""

from typing import Final

from strawberry_response_cache.core.protocol.script import FAILED, HEADER, INVALIDATED, script

LOOKUP: Final = script(
    "lookup",
    FAILED,
    HEADER,
    INVALIDATED,
    """
-- KEYS: tag table; then entry and lease of each lookup.
-- ARGV: token of the call, run id, table ms; then for each lookup '', if it only reads; else its token,
-- lease ms (0 asks for none), draw, rejected write id, and the write id that the caller knows with the clock as of
-- which it was good; '-' where there is none.
-- Answers the token of the call, then for each state, write id, pttl, epoch, clock. The states of an entry: 'fresh',
-- 'stale' (another refreshes it), 'refresh' (the lease to refresh it is yours). Without one: 'granted'
-- (the lease is yours), 'held' (another has it, or none was asked for), 'refused' (the server takes no writes; the
-- code of its error is in place of the epoch).
local table_key, run_id, table_ms = KEYS[1], ARGV[2], ARGV[3]
local moment = redis.pcall('HMGET', table_key, 'e', 'c', 'f', 'r')
if failed(moment) then
  redis.pcall('DEL', table_key)
  moment = {}
end

-- Without a clock, or under another run of the server (a restart from an old snapshot, a replica that
-- lagged), the table counts as lost. Its first lease begins an epoch: never one that was there before, not
-- even if this very lookup is repeated after a clear.
local epoch, clock, floor, fresh_epoch = moment[1], tonumber(moment[2] or ''), tonumber(moment[3] or '0') or 0, nil
if not epoch or not string.match(moment[2] or '', '^%d+$') or (run_id ~= '' and moment[4] ~= run_id) then
  local time = redis.call('TIME')
  epoch, clock, floor = nil, 0, 0
  fresh_epoch = string.reverse(ARGV[1]) .. time[1] .. '.' .. time[2]
end

-- The tags of entries that may be outdated, and the clocks of their last invalidations.
local fields, times = {}, {}

local function read_times()
  for first = 1, #fields, 1000 do
    local last = math.min(first + 999, #fields)
    for at, time in ipairs(redis.call('HMGET', table_key, unpack(fields, first, last))) do
      times[first + at - 1] = time
    end
  end
end

local founds, wishes = {}, {}
for i = 2, #KEYS, 2 do
  local token, lease_ms, draw, rejected, known, as_of =
    string.match(ARGV[i / 2 + 3], '^(%S+) (%d+) (%S+) (%S+) (%S+) (%d+)$')
  if token then wishes[i] = {token, lease_ms, draw} end
  local found, exists = header(KEYS[i])
  local tags = ''
  -- If nothing was invalidated since its clock, or since it was good last, none of its tags was.
  if found and found.epoch == epoch and found.clock ~= clock
      and not (found.wid == known and tonumber(as_of) == clock) then
    tags = tags_of(found)
  end
  if exists and (not found or not tags or found.wid == rejected) then
    redis.pcall('DEL', KEYS[i])
    found = nil
  end
  if found then
    founds[i] = found
    found.tags, found.first = tags, #fields + 1
    for tag in string.gmatch(tags, '[^,]+') do fields[#fields + 1] = 't:' .. tag end
    found.last = #fields
  end
end
read_times()

-- Whether one of an entry's tags was invalidated after the entry's clock.
local function is_outdated(found)
  for at = found.first, found.last do
    if times[at] and tonumber(times[at]) > found.clock then return true end
  end
  return false
end

local function line(state, wid, pttl, epoch, clock)
  return string.format('%s %s %d %s %d', state, wid, pttl, epoch, clock)
end

local function look_up(i)
  local entry, lease_key, found = KEYS[i], KEYS[i + 1], founds[i]
  local token, lease_ms, draw = unpack(wishes[i] or {})
  local outdated_tags, is_dead, pttl = nil, false, 0
  if found then
    if found.epoch ~= epoch or found.clock < floor then
      -- Dead for good: no epoch returns, and a clock never goes back.
      found, is_dead = nil, true
    elseif is_outdated(found) then
      found, outdated_tags, is_dead = nil, found.tags, true
    else
      pttl = redis.call('PTTL', entry)
      -- XFetch: the longer an entry took to generate, the earlier a caller refreshes it.
      if pttl > found.stale and pttl - found.stale > found.cost * tonumber(draw or '0') then
        return line('fresh', found.wid, pttl, '-', clock)
      end
      if pttl <= 0 then found = nil end
    end
  end

  -- Whether a lease is of no use: its value cannot be stored, or no caller generates it any more.
  local function is_void(holder)
    local of, since = string.match(holder, ' (%S+) (%d+)!?$')
    if not of then return false end
    if of ~= epoch or tonumber(since) < floor then return true end
    -- A refresh that failed keeps others from trying again while there is something to serve.
    if string.sub(holder, 1, 2) == '- ' then return not found end
    -- Its generation began before an invalidation of a tag that its value most likely has.
    return outdated_tags and invalidated(table_key, outdated_tags, tonumber(since))
  end

  local refusal = '-'
  local function refused(reply)
    refusal = code(reply)
    return 'refused'
  end

  local function lease()
    if not token or lease_ms == '0' then return 'held' end
    local mine = string.format('%s %s %d', token, epoch or fresh_epoch, clock)
    local set = redis.pcall('SET', lease_key, mine, 'NX', 'PX', lease_ms)
    if failed(set) and is_dead then
      -- The server is full, and a dead entry takes room until its ttl ends. Once it is gone, the lease may be
      -- set: see `INVALIDATE`. On other servers it stays, since its tags tell which leases are void.
      redis.pcall('UNLINK', entry)
      set = redis.pcall('SET', lease_key, mine, 'NX', 'PX', lease_ms)
    end
    if failed(set) then return refused(set) end
    if set then return 'granted' end
    local holder = redis.pcall('GET', lease_key)
    -- No lease of this package, which is a string with a ttl. Or the lease of this very caller: its lookup is
    -- repeated, because the answer was lost.
    if failed(holder) or redis.call('PTTL', lease_key) < 0
        or string.sub(holder, 1, #token) == token or is_void(holder) then
      redis.pcall('DEL', lease_key)
      set = redis.pcall('SET', lease_key, mine, 'PX', lease_ms)
      if failed(set) then return refused(set) end
      return 'granted'
    end
    -- The mark tells the holder to wake the callers that wait.
    if not found and string.sub(holder, -1) ~= '!' then redis.pcall('APPEND', lease_key, '!') end
    return 'held'
  end

  local state = lease()
  if state == 'granted' and not epoch then
    redis.pcall('DEL', table_key)
    local set = redis.pcall('HSET', table_key, 'e', fresh_epoch, 'c', '0', 'r', run_id)
    if failed(set) then
      redis.pcall('DEL', lease_key)
      state = refused(set)
    else
      epoch = fresh_epoch
      redis.call('PEXPIRE', table_key, table_ms)
    end
  end
  if found then
    if state == 'granted' then return line('refresh', found.wid, pttl, epoch, clock) end
    return line(pttl > found.stale and 'fresh' or 'stale', found.wid, pttl, '-', clock)
  end
  if state == 'refused' then return line(state, '-', 0, refusal, 0) end
  return line(state, '-', 0, epoch or '-', clock)
end

local lines = {ARGV[1]}
for i = 2, #KEYS, 2 do lines[#lines + 1] = look_up(i) end
return table.concat(lines, ' ')
""",
)
