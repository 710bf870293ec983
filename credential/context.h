/* context.h - everything one copy of us knows in one process: configuration, accounts, their tokens.
 *
 *     user name -> account -> token in memory -> token in store -> lock -> provider -> store -> token
 *
 * Safe to use from several threads.  Errors carry who must act; nothing is printed: what should be told goes to the log
 * function.
 */
#ifndef BEARER_CONTEXT_H
#define BEARER_CONTEXT_H

#include "credential/account.h"
#include "credential/token.h"

struct bearer_context;

/* Where to tell people things.  The text is one line; neither it nor the structure is kept. */
struct bearer_log {
    void (*function)(void *context, enum bearer_log_level level, const char *text); /* may be NULL */
    void *context;
};

struct bearer_setup {
    struct bearer_config_places places;
    const char *program;               /* this program's name, for oauth2_jailed_programs; NULL = never jailed */
    bearer_program_option *program_option; /* may be NULL; called during bearer_context_new() only */
    void *program_option_context;
    struct bearer_log log; /* for what happens outside of any login */
};

/* Gives a context: reads the configuration and, in a jailed program that is still root, opens everything its accounts will
 * need.  The setup is not kept, but for log.  BEARER_NOMEM is the only failure. */
enum bearer_status bearer_context_new(const struct bearer_setup *setup, struct bearer_context **context_out,
                                      struct bearer_error *err);
void bearer_context_free(struct bearer_context **context);

/* Whether there is any account, or a mistake to tell of.  If not, this software has no business here. */
bool bearer_context_is_configured(struct bearer_context *context);

/* Lends the configuration, for those who explain it. */
const struct bearer_config *bearer_context_config(const struct bearer_context *context);

/* From now on nothing is told to the setup's log. */
void bearer_context_hush(struct bearer_context *context);

#define BEARER_JAIL_TOKENS_MAX 256 /* token files that a jailed program opens; each costs a descriptor */

/* An account together with what is known of its token; lent until the context ends. */
struct bearer_holder;

/* Lends the holder of a user name.  Fails as bearer_account_find(). */
enum bearer_status bearer_context_find(struct bearer_context *context, const char *user,
                                       struct bearer_holder **holder_out, struct bearer_error *err);

/* Lends the holder of a section, for providers that have one token for all.  Fails as bearer_account_of_section(). */
enum bearer_status bearer_context_find_section(struct bearer_context *context, const struct bearer_section *section,
                                               struct bearer_holder **holder_out, struct bearer_error *err);

/* Calls each() once for every token that sasl.conf and the stores know of: one-for-all sections, names with a section of their
 * own, and whoever signed in.  holder is NULL for what cannot be used, err then says why.  name is lent. */
typedef void bearer_each_function(void *data, struct bearer_holder *holder, const char *name,
                                  const struct bearer_error *err);
void bearer_context_each(struct bearer_context *context, bearer_each_function *each, void *data);

const struct bearer_account *bearer_holder_account(const struct bearer_holder *holder);

/* Lends where the account's token is filed, or NULL if it has no store. */
const char *bearer_holder_path(const struct bearer_holder *holder);

#define BEARER_OBTAIN_RENEW 0x01 /* fetch a new token even if the one in hand is good; clears a pause after failures */

struct bearer_demand {
    unsigned flags;               /* BEARER_OBTAIN_RENEW */
    const char *password;         /* what the program has as password, or NULL */
    const char *server;           /* where the token is to go, or NULL */
    const struct bearer_log *log; /* where to tell of this login; NULL = the context's log */
};

/* What came of it. */
struct bearer_outcome {
    struct bearer_secret token;
    int64_t issued;  /* seconds since the epoch; names the token */
    int64_t expires; /* seconds since the epoch */
};

#define BEARER_OUTCOME_INIT { BEARER_SECRET_INIT, 0, 0 }

/* Gives an access token that lives as long as account and server want, renewed if need be, within its timeout.
 * Any status; the text is ready to be shown. */
enum bearer_status bearer_obtain(struct bearer_context *context, struct bearer_holder *holder,
                                 const struct bearer_demand *demand, struct bearer_outcome *outcome,
                                 struct bearer_error *err);

void bearer_outcome_clear(struct bearer_outcome *outcome);

/* Tells that a mail server refused the access token issued at that time.  True if that made us drop it, so that the next
 * login brings a new one; false if the token is not to blame. */
bool bearer_rejected(struct bearer_context *context, struct bearer_holder *holder, int64_t issued);

/* Gives a copy of what is stored, for a look without network or lock.  A record of another binding counts as none, but
 * then *foreign_out, if not NULL, is true. */
enum bearer_status bearer_peek(struct bearer_context *context, struct bearer_holder *holder, struct bearer_token *token_out,
                               bool *foreign_out, struct bearer_error *err);

/* Remembers, beside the token, that somebody was told of its credential's end just now. */
void bearer_credential_end_told(struct bearer_context *context, struct bearer_holder *holder);

/* Stores a person's sign-in: a refresh token they have, checked by using it.  any_user: somebody else than the account's name may
 * have signed in. */
enum bearer_status bearer_adopt(struct bearer_context *context, struct bearer_holder *holder, const char *refresh_token,
                                bool any_user, struct bearer_error *err);

/* Has a person sign in, and stores the result.  any_user: somebody else than the account's name may do so. */
enum bearer_status bearer_sign_in(struct bearer_context *context, struct bearer_holder *holder,
                                  const struct bearer_ceremony *ceremony, bool any_user, struct bearer_error *err);

/* Forgets a person's sign-in: the file stays, empty.  *had_out: whether there was one. */
enum bearer_status bearer_sign_out(struct bearer_context *context, struct bearer_holder *holder, bool *had_out,
                                   struct bearer_error *err);

#endif
