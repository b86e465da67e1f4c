-- Asks with bodies in turn: wrk -s load.lua URL -- PATH CONTENT-TYPE "every"|"whole" FILE...; tells what was measured as a line of JSON.
-- "whole": seconds end with the last answer, so that what was not yet answered at the end does not count as time. That costs a call for
-- each answer, so it is for slow ones.

local ffi = require("ffi")
ffi.cdef("typedef struct { long seconds; long nanoseconds; } moment; int clock_gettime(int clock, moment *found);")

local requests = {}
local place = 0
local thread

local function now()
  local found = ffi.new("moment")
  ffi.C.clock_gettime(1, found)
  return tonumber(found.seconds) + tonumber(found.nanoseconds) / 1e9
end

function setup(own)
  thread = own
end

function init(arguments)
  local headers = { ["Content-Type"] = arguments[2], ["Host"] = "127.0.0.1" }
  for number = 4, #arguments do
    local file = assert(io.open(arguments[number], "rb"))
    requests[#requests + 1] = wrk.format("POST", arguments[1], headers, file:read("*a"))
    file:close()
  end
  if arguments[3] == "whole" then
    response = function()
      last = now()
    end
  end
  began = now()
end

function request()
  place = place % #requests + 1
  return requests[place]
end

function done(summary, latency)
  local errors = summary.errors
  local last = thread:get("last")
  local seconds = last and last - thread:get("began") or summary.duration / 1e6
  io.write(string.format(
    '{"requests": %d, "seconds": %.6f, "p50": %.3f, "p99": %.3f, "refused": %d, "broken": %d}\n',
    summary.requests, seconds, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
