/* account.h - whose token, got how, from where, for which servers: what sasl.conf comes to for one user name.
 *
 * Which section: the exact name, then the first pattern that matches, in the user's file; else the same in the system's;
 * else the top of the file, which covers every name.  Which value: the section's, else the top's of the same file, else the
 * top's of the system's file, else what the program itself says, else the preset's.  A level that sets a credential
 * inherits none; one that sets oauth2_service inherits neither service options nor credentials.  Of a level's credentials the
 * certificate wins over a secret.
 */
#ifndef BEARER_ACCOUNT_H
#define BEARER_ACCOUNT_H

#include "credential/config.h"
#include "credential/providers.h"
#include "credential/renewal.h"
#include "credential/service.h"

struct bearer_account {
    char *name;                                 /* who signs in, lower case */
    const struct bearer_provider_row *provider;
    char *provider_name;                        /* as in oauth2_provider */
    const struct bearer_service *service;       /* NULL = custom */
    enum bearer_level level;                    /* whose file it stands in: decides whose store */
    bool is_top;                                /* it is the top of the file, not a section */
    char *section;                              /* its pattern; "*" for the top of the file */
    char *origin;                               /* FILE:LINE of the section, for messages */
    char *values[OPT_COUNT];                    /* as configured, defaults filled in; NULL = none */
    char *key;                                  /* what its token is filed under: name, or section */
    char *binding;                              /* what a token was issued for; another binding, another token */
    int64_t timeout;                            /* seconds */
    struct bearer_margin margin;                /* how long its tokens must still live; demanded where somebody set it */
};

/* An option the program itself has for us (libsasl2's getopt), or NULL. */
typedef const char *bearer_program_option(void *context, const char *name);

/* Gives the account of a user name, identity followed.
 * BEARER_NO_ACCOUNT: nothing covers it.  BEARER_CONFIG: what covers it has a mistake or lacks an option.
 * BEARER_USAGE: not a name.  BEARER_NOMEM. */
enum bearer_status bearer_account_find(const struct bearer_config *config, const char *user,
                                       bearer_program_option *program_option, void *context,
                                       struct bearer_account **account_out, struct bearer_error *err);

/* Gives the account that a section (its top, if pattern is NULL) stands for, without a user: for one-for-all providers.
 * Fails like bearer_account_find(); BEARER_NO_ACCOUNT also where every identity has a token of its own. */
enum bearer_status bearer_account_of_section(const struct bearer_config *config, const struct bearer_section *section,
                                             bearer_program_option *program_option, void *context,
                                             struct bearer_account **account_out, struct bearer_error *err);

void bearer_account_free(struct bearer_account **account);

/* Whether this configuration can ever be of use: an account, or a mistake to tell of. */
bool bearer_account_any(const struct bearer_config *config, bearer_program_option *program_option, void *context);

/* Lends who acts with this account's tokens: the person who signed in, or the application's id. */
const char *bearer_account_actor(const struct bearer_account *account);

/* BEARER_OK if this account's token may go to that host; else BEARER_NO_ACCOUNT with the line to add. */
enum bearer_status bearer_account_may_go_to(const struct bearer_account *account, const char *host,
                                            struct bearer_error *err);

/* How long a token with so many seconds left must still live when it goes to that host: some want more than the account does, which
 * is looked up only where it makes a difference. */
struct bearer_margin bearer_account_margin(const struct bearer_account *account, const char *host, int64_t left);

/* When the application's credential ends, in seconds since the epoch: as sasl.conf says, else as the token's record does; 0 = not
 * known.  *what_out lends its name. */
int64_t bearer_account_credential_end(const struct bearer_account *account, const struct bearer_token *token,
                                      const char **what_out);

/* Lends the option because of which a process in a chroot jail cannot renew this account's token, or NULL if it can. */
const char *bearer_account_jail_obstacle(const struct bearer_account *account);

#endif
