-- How many jobs wait, those in back-off among them, in all and of one owner; and how many that owner has at all.
-- ARGV: owner, then the stages
local total, own = 0, 0
for i = 2, #ARGV do
  for _, set_of in ipairs({'waiting', 'later'}) do
    for _, id in ipairs(redis.call('ZRANGE', key(set_of, ARGV[i]), 0, -1)) do
      total = total + 1
      if get(id, 'owner') == ARGV[1] then own = own + 1 end
    end
  end
end
return {total, own, redis.call('ZCARD', key('owner', ARGV[1]))}
