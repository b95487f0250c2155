-- An attempt has failed.
-- ARGV: id, token, problem as JSON, 1 to retry, most attempts, first back-off in milliseconds
local id, token, problem, retry, most, back_off = unpack(ARGV)
local said = answered(id, token, 'fail')
if said then return said end

local stage, worker = get(id, 'stage'), get(id, 'worker')
local result = try_again(id, retry == '1', tonumber(most), tonumber(back_off), problem)
note(id, 'running', stage, token, worker, 'failed: ' .. cjson.decode(problem).slug)
return answer(id, token, 'fail', result)
