"""settings.py - what a test can ask the emulator to do differently.

One row per setting: name, default, what values it takes, what it means.  The control port, the
settings file, the README test and the emulator itself all read these rows.
"""

import threading

import arc
import machine
import refusals


def seconds(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def yes_or_no(value):
    return isinstance(value, bool)


def optional(check):
    return lambda value: value is None or check(value)


def one_of(*values):
    return lambda value: value in values


def text(value):
    return isinstance(value, str)


def aadsts(value):
    return value in refusals.ROWS


FAIL_KEYS = {"status": whole, "body": text, "content_type": text,
             "retry_after": lambda value: whole(value) or text(value), "location": text, "html": yes_or_no,
             "drop": yes_or_no, "times": whole, "probability": lambda value: seconds(value) and value <= 1}
TOKEN_FAIL_KEYS = FAIL_KEYS | {"aadsts": aadsts,
                               "endpoint": one_of("token", "devicecode", "authorize", "adminconsent", "all")}
IDENTITY_FAIL_KEYS = FAIL_KEYS | {"hang": yes_or_no, "shape": one_of(*machine.SHAPES), "error": text, "message": text,
                                  "source": one_of("all", *(source.name for source in machine.SOURCES))}
MAIL_REPLY_KEYS = {f"{protocol}.{stage}": text for protocol in ("imap", "pop", "smtp")
                   for stage in ("greeting", "auth", "use", "rcpt", "data")}


def failure(keys):
    return lambda value: isinstance(value, dict) and all(key in keys and keys[key](item) for key, item in value.items())


def members(value):
    return isinstance(value, dict)


ROWS = (
    # name                      default     check              what it means
    ("access_token_lifetime",   3600,       whole,             "seconds; 0 makes tokens that are dead on arrival"),
    ("refresh_in",              None,       optional(whole),   "send refresh_in with this value"),
    ("numbers_as_strings",      False,      yes_or_no,         "send expires_in and its like as JSON strings"),
    ("refresh_rotation",        "new",      one_of("new", "keep", "single_use"),
     "new: a new refresh token each time, the old one stays valid; keep: no new one; single_use: the old one dies"),
    ("reuse_detection",         False,      yes_or_no,         "a used refresh token coming again revokes the grant"),
    ("refresh_token_lifetime",  90 * 86400, seconds,           "seconds since issue, judged when it is used"),
    ("device_interval",         5,          optional(whole),   "interval of the device flow; null leaves it out"),
    ("device_lifetime",         900,        seconds,           "seconds until a device code expires"),
    ("device_outcome",          "wait",     one_of("wait", "approve", "decline"),
     "wait: until the control port decides; or decide by itself, after the next two"),
    ("device_after_polls",      0,          whole,             "… this many polls were answered 'pending'"),
    ("device_after_seconds",    0,          seconds,           "… and this many seconds have passed"),
    ("device_user",             "bob@fabrikam.com", text,
     "who approves when device_outcome is approve"),
    ("device_slow_down",        0,          whole,             "answer this many polls of each code with slow_down"),
    ("device_enforce_interval", False,      yes_or_no,         "answer polls that come too early with slow_down"),
    ("device_refuse",           None,       optional(aadsts),
     "devicecode answers with this AADSTS number, and with HTTP 200 as Entra may"),
    ("authorize_outcome",       "page",     one_of("page", "approve", "cancel"),
     "page: a person decides; or at once, without a page"),
    ("authorize_user",          None,       optional(text),
     "who signs in, whatever the page or login_hint say"),
    ("authorize_refuse",        None,       optional(aadsts),  "authorize redirects at once with this AADSTS number"),
    ("authorize_iss",           None,       optional(one_of("good", "bad")),
     "iss in the redirect (RFC 9207); Entra sends none"),
    ("code_lifetime",           600,        seconds,           "seconds until an authorization code expires"),
    ("user_consent",            True,       yes_or_no,         "users may consent; if not, administrators must (90094)"),
    ("delay_seconds",           0,          seconds,           "wait this long before answering a token request"),
    ("hold",                    False,      yes_or_no,         "answer no token request until this is false again"),
    ("fail",                    None,       optional(failure(TOKEN_FAIL_KEYS)), "fail requests; see Failures"),
    ("error_description_crlf",  False,      yes_or_no,         "parts of error_description end in CRLF, not a blank"),
    ("refusal_style",           "exchange", one_of("exchange", "challenge", "late"),
     "how mail servers refuse: at once; after a JSON challenge; IMAP only: OK, then not connected"),
    ("mail_replies",            {},         failure(MAIL_REPLY_KEYS), "what exchange_style.py says in place of yes"),
    ("mail_mechanisms",         "XOAUTH2",  text,              "that exchange_style.py offers; it takes no other"),
    ("identity_lifetime",       86400,      whole,             "seconds, of managed identities' tokens"),
    ("identity_numbers",        False,      yes_or_no,         "send their times as JSON numbers, not as strings"),
    ("identity_expires_on",     "epoch",    one_of(*machine.EXPIRES_ON),
     "or seconds: from now; iso: ISO 8601; date: as older versions on Windows"),
    ("identity_reply",          {},         members,           "merged into their replies; null takes a member out"),
    ("identity_fail",           None,       optional(failure(IDENTITY_FAIL_KEYS)), "fail their requests; see Failures"),
    ("arc_tokens",              "/var/opt/azcmagent/tokens", text, "where Arc's key files are made"),
    ("arc_challenge",           "good",     one_of(*arc.KINDS), "what is wrong with it; see Managed identities"),
)


class BadSetting(ValueError):
    """An unknown name, or a value its row does not take."""


class Settings:
    """The current values, as attributes: settings.refresh_in.  Changes wake whoever waits for one."""

    def __init__(self):
        self.changed = threading.Condition()
        self.__dict__.update({name: default for name, default, _, _ in ROWS})

    def as_dict(self):
        return {name: getattr(self, name) for name, _, _, _ in ROWS}

    def update(self, document):
        """Take all of `document`, or nothing and raise BadSetting."""
        checks = {name: check for name, _, check, _ in ROWS}
        for name, value in document.items():
            if name not in checks:
                raise BadSetting(f"unknown setting '{name}'")
            if not checks[name](value):
                raise BadSetting(f"setting '{name}' does not take {value!r}")
        with self.changed:
            for name, value in document.items():
                setattr(self, name, dict(value) if isinstance(value, dict) else value)
            self.changed.notify_all()

    def reset(self):
        self.update({name: default for name, default, _, _ in ROWS})

    def wait_while_held(self, stopping):
        """Return when `hold` is off (or the emulator ends)."""
        with self.changed:
            self.changed.wait_for(lambda: not self.hold or stopping.is_set())

    def take_failure(self, endpoint, chance):
        """The failure this request shall suffer, or None.  `chance` is a number from 0 to 1 drawn by the
        caller.  A failure with "times" is used up here."""
        return self._take("fail", lambda fail: fail.get("endpoint", "token") in (endpoint, "all"), chance)

    def take_identity_failure(self, source, chance):
        """The same for requests to a machine."""
        return self._take("identity_fail", lambda fail: fail.get("source", "all") in (source, "all"), chance)

    def _take(self, name, concerns, chance):
        with self.changed:
            fail = getattr(self, name)
            if fail is None or not concerns(fail) or chance >= fail.get("probability", 1):
                return None
            if "times" in fail:
                if fail["times"] == 0:
                    return None
                fail["times"] -= 1
            return dict(fail)
