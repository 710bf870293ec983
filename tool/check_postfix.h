/* check_postfix.h - what the files of the area postfix share: how this Postfix is set up, and what they look at. */
#ifndef TOOL_CHECK_POSTFIX_H
#define TOOL_CHECK_POSTFIX_H

#include "credential/secret.h"
#include "tool/check.h"

#define POSTFIX_AREA         "postfix"
#define POSTFIX_SERVICES_MAX 32

enum postfix_parameter {
    MAIL_VERSION,
    CONFIG_DIRECTORY,
    QUEUE_DIRECTORY,
    MAIL_OWNER,
    CYRUS_CONFIG_PATH,
    IMPORT_ENVIRONMENT,
    COMPATIBILITY_LEVEL,
    RELAYHOST,
    DEFAULT_TRANSPORT,
    SENDER_RELAYS,
    SENDER_TRANSPORTS,
    TRANSPORTS,
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
    bool ours;                      /* it logs in with tokens, or is to */
    char *options[PARAMETER_COUNT]; /* what its -o sets in place of main.cf, or NULL */
    char *whose;                    /* " of the service NAME", for texts */
};

/* Whose mail goes where, and whom Postfix logs in as there. */
struct postfix_login {
    struct postfix_login *next;
    struct postfix_service *service;
    char *sender; /* an address, or "@domain" for all of these; NULL = whoever is not named */
    char *relay;  /* the next hop */
    char *user;   /* NULL = smtp_sasl_password_maps has nobody, as far as can be seen */
    bool password;
    bool by_sender; /* smtp_sasl_password_maps has a line for the sender, not for the next hop */
};

struct postfix {
    struct check *check;
    char *postconf;
    char *values[PARAMETER_COUNT];
    struct postfix_service services[POSTFIX_SERVICES_MAX];
    size_t service_count;
    struct postfix_service *service; /* the one that our mail takes, or the first of these; NULL = none */
    struct postfix_login *logins;
    bool closed;       /* this user may not read smtp_sasl_password_maps */
    bool idle_senders; /* it has lines for senders, which nobody looks for */
    char *unlisted;    /* a table of next hops that cannot be listed, or is empty; NULL = none */
};

/* Asks Postfix' own commands about the default instance, or MAIL_CONFIG's.  False: Postfix is not installed.
 * postfix_clear() it in any case. */
bool postfix_ask(struct postfix *p);
void postfix_clear(struct postfix *p);

/* Lends what counts for a service: master.cf's -o, else main.cf.  NULL as service: main.cf. */
const char *postfix_setting(const struct postfix *p, const struct postfix_service *service,
                            enum postfix_parameter parameter);

/* Lends " of the service NAME" where master.cf sets it, or "". */
const char *postfix_whose(const struct postfix_service *service, enum postfix_parameter parameter);

/* Whether a service ever logs in, and whether it may do so with a token. */
bool postfix_may_log_in(const struct postfix *p, const struct postfix_service *service);
bool postfix_takes_tokens(const struct postfix *p, const struct postfix_service *service);

bool postfix_is_set(const char *value);

/* Gives how to set it, as a remedy: for a service of its own in master.cf, else in main.cf.  Free it. */
char *postfix_set(const struct postfix_service *service, enum postfix_parameter parameter, const char *value);

/* Gives a next hop's host, without brackets and port.  Free it. */
char *postfix_bare_host(const char *relay);

/* Appends one and lends it; NULL without memory. */
struct postfix_login *postfix_add_login(struct postfix *p, struct postfix_service *service, const char *relay,
                                        const char *sender);

/* Whether it is the first one with that service and next hop. */
bool postfix_is_first(const struct postfix *p, const struct postfix_login *login);

/* Takes the next of the words that commas or blanks part, but for those in braces; NULL at the end.  Changes the text. */
char *postfix_next_word(char **rest);

/* Lends "TYPE:FILE" without the way round by proxymap(8), which only Postfix itself needs. */
const char *postfix_bare_table(const char *table);

/* Whether a table is named by "TYPE:FILE" or the like, not written out in main.cf, passwords and all: that is for no command
 * line. */
bool postfix_is_name(const char *table);

/* Gives what a table holds, a line each: key, tab, value.  False: nothing, or it is of a kind that cannot be listed. */
bool postfix_list(const char *table, struct bearer_secret *lines_out);

/* Walks over these lines: gives the next one's key and value, each followed by something else; advances *cursor.  False at
 * the end. */
struct postfix_line {
    const char *key;
    size_t key_length;
    const char *value;
    size_t value_length;
};
bool postfix_next_line(const char **cursor, struct postfix_line *line);

/* Whom Postfix logs in as (check_postfix_users.c).  postfix_ask_users(): completes p->logins, and tells which services are
 * ours.  postfix_is_ours(): whether a login is by token, or tries to be.  postfix_look_at_users(): says so; false: nobody is
 * known. */
void postfix_ask_users(struct postfix *p);
bool postfix_is_ours(const struct postfix *p, const struct postfix_login *login);
bool postfix_look_at_users(struct postfix *p);

/* Says what smtp(8) finds around it (check_postfix_jail.c). */
void postfix_look_at_conf(struct postfix *p);
void postfix_look_at_jail(struct postfix *p);
void postfix_look_at_names(struct postfix *p);
void postfix_look_at_environment(struct postfix *p);

#endif
