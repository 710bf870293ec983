/* check_postfix.h - what the files of the area postfix share: how this Postfix is set up, and what they look at. */
#ifndef TOOL_CHECK_POSTFIX_H
#define TOOL_CHECK_POSTFIX_H

#include "tool/check.h"

#define POSTFIX_AREA         "postfix"
#define POSTFIX_SERVICES_MAX 32

enum postfix_parameter {
    MAIL_VERSION,
    CONFIG_DIRECTORY,
    QUEUE_DIRECTORY,
    CYRUS_CONFIG_PATH,
    IMPORT_ENVIRONMENT,
    COMPATIBILITY_LEVEL,
    RELAYHOST,
    SENDER_RELAYS,
    SENDER_TRANSPORTS,
    SENDER_AUTHENTICATION,
    DEBUG_PEERS,
    AUTH_ENABLE,
    PASSWORD_MAPS,
    MECHANISM_FILTER,
    TLS_LEVEL,
    TLS_CA_FILE,
    TLS_CA_PATH,
    PLAIN_OPTIONS,
    TLS_OPTIONS,
    VERIFIED_OPTIONS,
    AUTH_CACHE,
    HOST_LOOKUP,
    PARAMETER_COUNT
};

/* As main.cf writes them. */
extern const char *const postfix_names[PARAMETER_COUNT];

/* A line of master.cf whose program is smtp(8) or lmtp(8). */
struct postfix_service {
    char *name;
    char *arguments; /* "" = none */
    bool jailed;
};

struct postfix {
    struct check *check;
    char *postconf;
    char *values[PARAMETER_COUNT];
    struct postfix_service services[POSTFIX_SERVICES_MAX];
    size_t service_count;
    const struct postfix_service *service; /* the one that our mail takes */
    char *options[PARAMETER_COUNT];        /* what that one's -o sets instead, or NULL */
};

/* Asks Postfix' own commands about the default instance, or MAIL_CONFIG's.  False: Postfix is not installed.  p->check must
 * be there; postfix_clear() it in any case. */
bool postfix_ask(struct postfix *p);
void postfix_clear(struct postfix *p);

/* Lends what counts for our mail: master.cf's -o, else main.cf. */
const char *postfix_setting(const struct postfix *p, enum postfix_parameter parameter);

/* Gives what `-o NAME=VALUE` sets for a service, or NULL.  Free it. */
char *postfix_option(const struct postfix_service *service, const char *name);

bool postfix_is_set(const char *value);

/* Gives what to put into main.cf, as a remedy.  Free it. */
char *postfix_set(enum postfix_parameter parameter, const char *value);

/* Gives a next hop's host, without brackets and port.  Free it. */
char *postfix_bare_host(const char *relay);

/* Says whom Postfix logs in as (check_postfix_users.c).  False: it knows nobody. */
bool postfix_look_at_users(struct postfix *p);

/* Says what smtp(8) finds around it (check_postfix_jail.c). */
void postfix_look_at_conf(struct postfix *p);
void postfix_look_at_jail(struct postfix *p);
void postfix_look_at_names(struct postfix *p);
void postfix_look_at_environment(struct postfix *p);

#endif
