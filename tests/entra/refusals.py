"""refusals.py - how Entra says no.

Every refusal of the identity platform is one row in aadsts.py: HTTP status, OAuth error, text.  Code that
wants to refuse raises Refusal(number, name=value, ...); the web layer turns it into Entra's JSON.
Programs are meant to act on "error" and show "error_description", so both follow the originals.
"""

import time
import uuid

from aadsts import ROWS, SUBERRORS


class Words(dict):
    """The values for a row's text; what nobody supplied reads '?' instead of failing the refusal."""

    def __missing__(self, key):
        return "?"


class Refusal(Exception):
    """A refusal on its way to the client.  The row gives status, error and text; `error`, `suberror`,
    `status` and `text` replace the row's where one number has several faces."""

    def __init__(self, number, error=None, suberror=None, status=None, text=None, **words):
        row_status, row_error, row_text = ROWS[number]
        super().__init__(f"AADSTS{number}")
        self.number = number
        self.status = status or row_status
        self.error = error or row_error
        self.suberror = suberror or SUBERRORS.get(number)
        self.text = (text or row_text).format_map(Words(words))
        self.reply = None           # makes the web.Reply of document(), where neither JSON nor an error page will do

    def document(self, host, correlation_id, line_break=" "):
        """The JSON object of the reply.  `line_break` separates the parts of the description; Entra has
        used both a blank and CRLF there."""
        trace_id = str(uuid.uuid4())
        timestamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        description = line_break.join((f"AADSTS{self.number}: {self.text}", f"Trace ID: {trace_id}",
                                       f"Correlation ID: {correlation_id}", f"Timestamp: {timestamp}"))
        document = {"error": self.error, "error_description": description, "error_codes": [self.number],
                    "timestamp": timestamp, "trace_id": trace_id, "correlation_id": correlation_id,
                    "error_uri": f"https://{host}/error?code={self.number}"}
        if self.suberror:
            document["suberror"] = self.suberror
        return document


class SlowDown(Refusal):
    """RFC 8628's slow_down, which has no AADSTS number of its own and borrows that of "pending"."""

    def __init__(self):
        super().__init__(70016, error="slow_down")
        self.text = "OAuth 2.0 device flow error. Polling too fast: wait five seconds longer from now on."
