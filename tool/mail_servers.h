/* mail_servers.h - which mail servers a check is about: those that --server names, else the ones of the user's service. */
#ifndef TOOL_MAIL_SERVERS_H
#define TOOL_MAIL_SERVERS_H

#include "credential/account.h"
#include "tool/command.h"
#include "tool/mail_session.h"

struct mail_servers {
    struct mail_address list[ARG_LIST_MAX];
    unsigned count; /* 0: the service has none that we know */
};

/* Fills *servers.  BEARER_USAGE: what --server names is none. */
enum bearer_status mail_servers_find(const struct arguments *arguments, const struct bearer_account *account,
                                     struct mail_servers *servers, struct bearer_error *err);

/* Whether one of them speaks that protocol; where there is none at all, any counts. */
bool mail_servers_speak(const struct mail_servers *servers, enum mail_protocol protocol);

#endif
