"""exchange.py - the question that Exchange Online and Gmail answer at every login: may this token open this mailbox?"""

import dataclasses

from directory import UnknownName
from scopes import EXCHANGE, GMAIL, RESOURCES
from tokens import BadToken


@dataclasses.dataclass(frozen=True)
class Protocol:
    name: str               # also the mailbox's switch of that name
    permission: str         # delegated
    role: str               # app-only


PROTOCOLS = {
    "imap": Protocol("imap", "IMAP.AccessAsUser.All", "IMAP.AccessAsApp"),
    "pop": Protocol("pop", "POP.AccessAsUser.All", "POP.AccessAsApp"),
    "smtp": Protocol("smtp", "SMTP.Send", "SMTP.SendAsApp"),
}
PROTOCOLS |= {"pop3": PROTOCOLS["pop"], "submission": PROTOCOLS["smtp"]}


class No(Exception):
    """The mailbox stays closed.  status is what a server with a JSON challenge puts there."""

    def __init__(self, reason, status="400"):
        super().__init__(reason)
        self.status = status


def may_open(emulator, token, address, protocol_name):
    """The verdict, as the control port sends it.  It always names a reason, which no client ever sees."""
    protocol = PROTOCOLS[protocol_name]
    verdict = {"allow": True, "reason": "", "status": "200", "schemes": "bearer",
               "scope": f"https://outlook.office.com/{protocol.permission}",
               "refusal_style": emulator.settings.refusal_style, "send_as": []}
    try:
        claims = emulator.tokens.open(token)
        decide(emulator.directory, claims, address.lower(), protocol)
        verdict["reason"] = f"{claims.get('upn') or claims['app_displayname']} may open it"
        verdict["send_as"] = senders(emulator.directory, claims, address.lower())
    except BadToken as bad:
        verdict |= {"allow": False, "reason": str(bad), "status": "401"}
    except No as refused:
        verdict |= {"allow": False, "reason": str(refused), "status": refused.status}
    return verdict


def decide(directory, claims, address, protocol):
    """Return if the mailbox opens, raise No if not."""
    try:
        mailbox = directory.mailbox(address)
        tenant = directory.tenant_of(address)
    except UnknownName:
        raise No("no such mailbox") from None
    service = GMAIL if tenant.gmail else EXCHANGE
    if RESOURCES.get(claims["aud"].rstrip("/").lower()) is not service:
        raise No(f"audience is {claims['aud']}, not {'Gmail' if tenant.gmail else 'Exchange'}")
    if "scp" in claims:
        user_may(directory, claims, mailbox, tenant, protocol)
    else:
        app_may(directory, claims, mailbox, tenant, protocol)
    if not getattr(mailbox, protocol.name):
        raise No(f"{protocol.name} is switched off for {address}")


def user_may(directory, claims, mailbox, tenant, protocol):
    if claims["tid"] != tenant.id:
        raise No("token is from another tenant")
    if not tenant.gmail and protocol.permission not in claims["scp"].split():
        raise No(f"token lacks {protocol.permission}")
    user = claims["upn"].lower()
    if user not in directory.users or directory.user(user).disabled:
        raise No(f"account {user} is disabled")
    rights = {user for user in mailbox.full_access} | {mailbox.address}
    if protocol.name == "smtp":
        rights |= set(mailbox.send_as)
    if user not in {name.lower() for name in rights}:
        raise No(f"{user} has no permission on {mailbox.address}")


def app_may(directory, claims, mailbox, tenant, protocol):
    if claims["tid"] != tenant.id:
        raise No("token is from another tenant")
    app = directory.app(claims["appid"])
    roles = claims.get("roles", ())
    if not app.known_to_exchange:
        raise No(f"service principal {claims['oid']} is not registered in Exchange")
    if protocol.role in roles:
        if not app.may_open(mailbox.address):
            raise No(f"app '{app.name}' has no permission on {mailbox.address}")
    elif roles or protocol.name != "smtp":
        raise No(f"token lacks the role {protocol.role}")
    elif not app.may_send_by_rbac(mailbox.address):
        raise No(f"token has no roles, and no management role lets app '{app.name}' send as {mailbox.address}")


def senders(directory, claims, address):
    """The addresses this login may put after MAIL FROM: FullAccess alone is not SendAs."""
    if "scp" not in claims:
        return [address]
    user = claims["upn"].lower()
    return sorted(mailbox.address for mailbox in directory.mailboxes.values()
                  if mailbox.address == user or user in {name.lower() for name in mailbox.send_as})
