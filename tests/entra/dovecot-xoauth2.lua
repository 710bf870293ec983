-- dovecot-xoauth2.lua - a Dovecot passdb that asks the emulator: may this token open this mailbox?
--
-- Dovecot 2.3 hands an auth-lua passdb the user and, for XOAUTH2 and OAUTHBEARER, the whole token in
-- place of the password.  So the decision is the emulator's, as it is Exchange's, and Dovecot adds what
-- Exchange does not do: the JSON challenge.
--
-- The script needs to know the emulator's control port.  Dovecot 2.3 gives a script no arguments, so
-- the file named in dovecot.conf is a generated one (see dovecot.py) of two lines:
--     entra_control = "http://127.0.0.1:PORT"
--     dofile("…/dovecot-xoauth2.lua")
--
-- passdb { driver = lua; args = file=GENERATED.lua blocking=yes }

local http = require "socket.http"
local ltn12 = require "ltn12"
local url = require "socket.url"

http.TIMEOUT = 10

local function form(fields)
  local pairs_of = {}
  for name, value in pairs(fields) do
    pairs_of[#pairs_of + 1] = name .. "=" .. url.escape(value)
  end
  return table.concat(pairs_of, "&")
end

-- Ask the control port.  Returns "allow", "deny REASON", or nil and what went wrong.
local function ask(path, fields)
  local body, answer = form(fields), {}
  local done, status = http.request {
    url = entra_control .. path,
    method = "POST",
    headers = {
      ["Content-Type"] = "application/x-www-form-urlencoded",
      ["Content-Length"] = tostring(#body),
      ["Accept"] = "text/plain",
    },
    source = ltn12.source.string(body),
    sink = ltn12.sink.table(answer),
  }
  if done and status == 200 then
    return (table.concat(answer):gsub("%s+$", ""))
  end
  return nil, tostring(status)
end

local bearer = { XOAUTH2 = true, OAUTHBEARER = true }

-- Called with the password, or the token, that the client sent.
function auth_password_verify(request, password)
  local answer, trouble
  if bearer[request.mech:upper()] then
    answer, trouble = ask("/may-open", { token = password, mailbox = request.user, protocol = request.service })
  else
    answer, trouble = ask("/check-password", { user = request.user, password = password })
  end
  if answer == "allow" then
    return dovecot.auth.PASSDB_RESULT_OK, {}
  elseif answer then
    request:log_info("refused: " .. answer:gsub("^deny ", ""))
    return dovecot.auth.PASSDB_RESULT_PASSWORD_MISMATCH, "refused"
  end
  request:log_error("cannot ask the emulator: " .. trouble)
  return dovecot.auth.PASSDB_RESULT_INTERNAL_FAILURE, "cannot ask the emulator"
end

-- Without this function Dovecot refuses to load the script; the tests do not look users up.
function auth_passdb_lookup(request)
  return dovecot.auth.PASSDB_RESULT_USER_UNKNOWN, "no look-ups here"
end
