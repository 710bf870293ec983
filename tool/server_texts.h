/* server_texts.h - what mail servers say when they do not let somebody in or do not take a mail: what it means, who acts,
 * and what to do.  One table, one file.
 *
 * Servers tell little, Exchange Online least of all, and the same words stand for many causes.  The rows name those that are
 * known from Microsoft's pages and from many reports. */
#ifndef TOOL_SERVER_TEXTS_H
#define TOOL_SERVER_TEXTS_H

#include <stdbool.h>

enum server_text_who {
    SERVER_TEXT_HERE,     /* whoever configures this machine */
    SERVER_TEXT_EXCHANGE, /* an administrator of Exchange */
    SERVER_TEXT_TENANT,   /* an administrator of the tenant, in Entra */
    SERVER_TEXT_USER,     /* whose mailbox it is */
    SERVER_TEXT_NOBODY,   /* it passes */
    SERVER_TEXT_WHO_COUNT
};

struct server_text {
    const char *protocols; /* imap, pop3, smtp; or challenge: the JSON that some servers send before they refuse */
    const char *pattern;   /* of the reply in lower case, without IMAP's tag; see bearer_text_matches() */
    enum server_text_who who;
    const char *meaning; /* half a sentence */
    const char *remedy;  /* an instruction; {mailbox} and {grantee} stand for names in PowerShell's quotes */
    const char *own;     /* the same where somebody opens their own mailbox; NULL = no different */
};

/* Lends the first row that fits a reply, or NULL. */
const struct server_text *server_text_find(const char *protocol, const char *reply);

/* Lends row number i, or NULL after the last. */
const struct server_text *server_text_at(unsigned i);

/* Lends a word or two for people. */
const char *server_text_who(enum server_text_who who);

/* Gives the row's instruction with names filled in, or NULL without memory.  mailbox: what was to be opened; grantee: who
 * holds the token, an address or the object id of a service principal.  Free it. */
char *server_text_remedy(const struct server_text *row, const char *mailbox, const char *grantee);

#endif
