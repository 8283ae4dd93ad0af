"""What the sessionizer has Redis do in one step: the commit, and all that concerns leases."""

from clickloom.functions import Library
from clickloom.streams import SHOW_SOURCE

# A function that fails half way is not undone. So nothing here fails after its first write: keys are only ever
# written by these functions, and Redis being full does not matter to them.
_SOURCE = (
    SHOW_SOURCE
    + """
-- An epoch that nobody has taken the lease since goes on, though its time has ended: its owner was slow, or away.
local function ours(lease, progress, token)
  local found = redis.call('GET', lease)
  if found then return found == token end
  return redis.call('HGET', progress, 'epoch') == token:match('^%d+')
end

local function commit(keys, args)
  local lease, progress, clicks, state, names, sessions, metrics, active = unpack(keys, 1, 8)
  local token, lease_ms, number, reader, since, cursor, entries = unpack(args, 1, 7)
  local meta, committed_us, watermark_us, changelog, numbers, users, segment = unpack(args, 8, 14)
  local dropped, named, freed, seen = unpack(args, 15, 18)
  if not ours(lease, progress, token) then return 'fenced' end
  if tonumber(redis.call('HGET', progress, 'commits') or 0) ~= number - 1 then return 'rolled back' end
  -- Some of what was read may be lost, though no commit is: our connection mends itself, and we read on behind it.
  local here = server()
  if redis.call('HGET', progress, 'server') ~= here and between(clicks, since, cursor) ~= tonumber(entries) then
    return 'input lost'
  end

  if segment ~= '' then redis.call('HSET', state, number, segment) end
  local at = 18
  for _ = 1, dropped do at = at + 1; redis.call('HDEL', state, args[at]) end
  for _ = 1, named do at = at + 2; redis.call('HSET', names, args[at - 1], args[at]) end
  for _ = 1, freed do at = at + 1; redis.call('HDEL', names, args[at]) end
  for bucket = 1, seen do redis.call('APPEND', keys[8 + bucket], args[at + bucket]) end
  for bucket = 9 + seen, #keys do redis.call('UNLINK', keys[bucket]) end

  redis.call('XADD', sessions, '*', 'b', changelog)
  redis.call('XADD', metrics, '*', 'b', numbers)
  if users ~= '' then redis.call('XADD', active, '*', 'b', users) end

  redis.call('HSET', progress, 'commits', number, 'cursor', cursor, 'meta', meta,
    'committed_us', committed_us, 'watermark_us', watermark_us, 'server', here)
  redis.call('SET', lease, token, 'PX', lease_ms)
  show(clicks, reader, since, cursor, tonumber(entries))
  return 'done'
end

local function now_us()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function take(keys, args)
  local lease, progress = unpack(keys)
  local worker, lease_ms = unpack(args)
  local token = redis.call('GET', lease)
  if token and token:match('^%d+:(.*)$') ~= worker then return 0 end
  -- Of the clock, so that none comes again after the one that had it was lost with the end of Redis' log.
  local before = tonumber(redis.call('HGET', progress, 'epoch') or 0)
  local epoch = string.format('%d', math.max(before + 1, now_us()))
  redis.call('HSET', progress, 'epoch', epoch)
  redis.call('SET', lease, epoch .. ':' .. worker, 'PX', lease_ms)
  return epoch
end

local function renew(keys, args)
  local renewed = {}
  for at = 1, #keys / 2 do
    local lease, progress, token = keys[2 * at - 1], keys[2 * at], args[1 + at]
    renewed[at] = ours(lease, progress, token) and 1 or 0
    if renewed[at] == 1 then redis.call('SET', lease, token, 'PX', args[1]) end
  end
  return renewed
end

local function release(keys, args)
  local lease, progress = unpack(keys)
  if not ours(lease, progress, args[1]) then return 0 end
  redis.call('HINCRBY', progress, 'epoch', 1) -- so that a commit which is still on its way comes too late
  redis.call('DEL', lease)
  return 1
end

local function beat(keys, args)
  local now = math.floor(now_us() / 1000)
  redis.call('ZREMRANGEBYSCORE', keys[1], '-inf', now)
  redis.call('ZADD', keys[1], now + args[2], args[1])
  return redis.call('ZRANGE', keys[1], 0, -1)
end
"""
)

FUNCTIONS = Library(_SOURCE, functions=["commit", "take", "renew", "release", "beat"])
