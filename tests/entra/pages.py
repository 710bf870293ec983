"""pages.py - what a person sees: sign in, consent, errors.  Plain forms that post to the URL they came from.

Every field and button has an id, and a button's value says what was chosen, so that a browser without a person (or
curl) can go through them.
"""

from html import escape

import web

FRAME = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 1em sans-serif; margin: 3em auto; max-width: 30em }} label, li {{ display: block; margin: 1em 0 }}
#error {{ color: #a00 }}</style></head>
<body><h1>{title}</h1>
{body}
</body></html>
"""


def page(title, *parts, status=200):
    body = "\n".join(parts)
    return web.Reply(FRAME.format(title=escape(title), body=body).encode(), status, "text/html; charset=utf-8")


def form(*parts):
    return '<form method="post">\n' + "\n".join(parts) + "\n</form>"


def button(identifier, choice, text):
    return f'<button id="{identifier}" name="choice" value="{choice}">{escape(text)}</button>'


def user_field(user):
    return f'<label>User <input id="user" name="user" value="{escape(user)}" autocomplete="off"></label>'


def error_line(text):
    return f'<p id="error">{escape(text)}</p>' if text else ""


def listed(permissions):
    return '<ul id="permissions">' + "".join(f"<li>{escape(name)}</li>" for name in permissions) + "</ul>"


def sign_in(app, user, error=""):
    """Who are you?  Nobody looks at the password."""
    return page("Sign in", f"<p>to continue to {escape(app.name)}</p>", error_line(error), form(
        user_field(user), '<label>Password <input id="password" name="password" type="password"></label>',
        button("signin", "signin", "Sign in"), button("cancel", "cancel", "Cancel")))


def consent(app, user, permissions):
    return page("Permissions requested", f"<p>{escape(app.name)} would like to:</p>", listed(permissions), form(
        f'<input type="hidden" name="user" value="{escape(user)}">',
        button("accept", "accept", "Accept"), button("cancel", "cancel", "Cancel")))


def needs_admin(app, error):
    return page("Need admin approval", f"<p>{escape(app.name)} needs permissions that only an administrator can grant.</p>",
                error_line(error),
                form(button("cancel", "return", "Return to the application without granting consent")))


def admin_consent(app, permissions, error=""):
    """An administrator for everybody."""
    return page("Permissions requested: accept for your organization", f"<p>{escape(app.name)} would like to:</p>",
                listed(permissions), error_line(error), form(
                    user_field(""), button("accept", "accept", "Accept"), button("cancel", "cancel", "Cancel")))


def error(text, status):
    """The end of the road: there is nobody to go back to."""
    return page("Sorry, but we're having trouble signing you in", error_line(text), status=status)


def form_post(uri, members):
    """response_mode=form_post: the browser posts the answer, by itself or by the button."""
    fields = "\n".join(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'
                       for name, value in members.items())
    return page("Working...", f'<form id="answer" method="post" action="{escape(uri)}">\n{fields}\n'
                              '<button id="continue">Continue</button></form>',
                '<script>document.getElementById("answer").submit()</script>')


def blank():
    """The nativeclient page: people copy its URL out of the browser's bar."""
    return web.Reply(b"<!DOCTYPE html><html><head><title></title></head><body></body></html>\n",
                     content_type="text/html; charset=utf-8")
