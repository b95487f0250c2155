-- What every script begins with. KEYS[1] is the namespace; time is Redis's own, in milliseconds.
-- A script runs to its end or not at all, alone: that makes each a transition.

local function key(...)
  return table.concat({KEYS[1], ...}, ':')
end

local function milliseconds()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function seconds()
  return string.format('%.3f', milliseconds() / 1000)
end

local function row(id)
  return redis.call('HGETALL', key('job', id))
end

local function get(id, field)
  return redis.call('HGET', key('job', id), field) or ''
end

local function set(id, ...)
  redis.call('HSET', key('job', id), ...)
end

local ENDINGS = {done = true, failed = true, cancelled = true}

-- Where a job stands in the machine: absent, waiting, running, or how it ended.
local function state(id)
  if redis.call('EXISTS', key('job', id)) == 0 then return 'absent' end
  local status = get(id, 'status')
  if ENDINGS[status] then return status end
  return get(id, 'waiting') == '1' and 'waiting' or 'running'
end

-- The append-only log, capped.
local function note(id, was, stage, token, worker, why)
  redis.call('XADD', key('log'), 'MAXLEN', '~', 100000, '*', 'id', id, 'was', was, 'became', state(id),
    'stage', stage, 'token', token, 'attempt', get(id, 'attempt'), 'worker', worker, 'why', why)
end

-- Take a job out of the waiting, and its lease away.
local function withdraw(id)
  local stage = get(id, 'stage')
  if stage ~= '' then
    for _, set_of in ipairs({'waiting', 'later', 'leases'}) do
      redis.call('ZREM', key(set_of, stage), id)
    end
  end
  redis.call('HDEL', key('job', id), 'token', 'worker')
end

-- Its place among those that wait: by its age, unless it was sent to the end of the queue.
local function place(id)
  local queued = get(id, 'queued')
  return queued ~= '' and queued or get(id, 'created')
end

-- Let a job wait for its stage, oldest job first; with a back-off, only once that is over.
local function wait(id, back_off)
  withdraw(id)
  set(id, 'waiting', 1, 'step', '')
  if back_off > 0 then
    redis.call('ZADD', key('later', get(id, 'stage')), milliseconds() + back_off, id)
  else
    redis.call('ZADD', key('waiting', get(id, 'stage')), place(id), id)
  end
end

-- End a job. It stays among the unrecorded until the store holds its outcome.
local function finish(id, status)
  withdraw(id)
  set(id, 'status', status, 'stage', '', 'waiting', 0, 'step', '', 'finished', seconds())
  redis.call('SADD', key('unrecorded'), id)
end

-- After an attempt that came to nothing: wait longer each time, or fail after the last.
local function try_again(id, retry, most, back_off, problem)
  local attempt = tonumber(get(id, 'attempt'))
  if retry and attempt < most then
    wait(id, back_off * 4 ^ (attempt - 1))
    return 'waiting'
  end
  set(id, 'problem', problem)
  finish(id, 'failed')
  return 'failed'
end

-- A claim ends once. `answered` gives what was answered when this very request was carried out before (its reply was
-- lost, so it came again), 'lost' to whoever no longer holds the job, nothing to its holder.
local function answered(id, token, request)
  local before = get(id, 'end:' .. token)
  local answer = string.match(before, '^' .. request .. ':(%a+)$')
  if answer then return answer end
  if token == '' or get(id, 'token') ~= token then return 'lost' end
  return nil
end

local function answer(id, token, request, result)
  set(id, 'end:' .. token, request .. ':' .. result)
  return result
end

-- Whether Redis was restarted and nobody has compared the ledger with the store since.
local function restarted()
  local sentinel = redis.call('GET', key('sentinel'))
  return sentinel and sentinel ~= string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
end
