-- The caller wants no result any more. A job that has ended stays as it ended.
-- ARGV: id
local id = ARGV[1]
local was = state(id)
if was == 'waiting' or was == 'running' then
  local stage, token, worker = get(id, 'stage'), get(id, 'token'), get(id, 'worker')
  finish(id, 'cancelled')
  note(id, was, stage, token, worker, 'cancelled')
end
return row(id)
