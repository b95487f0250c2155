-- A worker has finished its stage: on to the next, or the end. Its token is the stage's winning one.
-- ARGV: id, token, next stage (empty: none), the status there, progress, verdict (empty: none), then names and seconds
local id, token, next_stage, status, progress, quality = unpack(ARGV, 1, 6)
local said = answered(id, token, 'advance')
if said then return said end

local stage, worker = get(id, 'stage'), get(id, 'worker')
set(id, 'token:' .. stage, token, 'progress', progress)
if quality ~= '' then set(id, 'quality', quality) end
for i = 7, #ARGV, 2 do set(id, 'seconds:' .. ARGV[i], ARGV[i + 1]) end
local result
if next_stage == '' then
  finish(id, 'done')
  result = 'done'
else
  withdraw(id)
  set(id, 'stage', next_stage, 'status', status, 'attempt', 0)
  wait(id, 0)
  result = 'next'
end
note(id, 'running', stage, token, worker, 'advanced')
return answer(id, token, 'advance', result)
