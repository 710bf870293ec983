/* holder.h - what the files about a context share: context.c, enumerate.c, fetch.c, obtain.c, reference.c.  Nobody else
 * includes it but the doctor, tool/check_account.c, who reads the files as they do. */
#ifndef BEARER_HOLDER_H
#define BEARER_HOLDER_H

#include "credential/context.h"
#include "credential/descriptor.h"
#include "credential/guard.h"
#include "credential/providers.h"
#include "credential/store.h"

/* One token, wherever it is kept.  Several holders can share one: mailboxes of a section, mailboxes of a person. */
struct bearer_keeper {
    struct bearer_keeper *next;
    char *path;                   /* of the token file, which also tells keepers apart; NULL = never stored */
    struct bearer_store *store;   /* NULL = not open */
    char trouble[768];            /* why there is no store */
    bool warned;                  /* the log has been told of that */
    struct bearer_guard lock;     /* one thread of this process at a time asks the provider */
    struct bearer_token memory;   /* newer than the store, where the store could not be written */
    struct bearer_store_mark since; /* the state of the store that memory is newer than */
    bool memory_counts;
    int64_t save_after;           /* CLOCK_MONOTONIC ms before which saving it is not tried again */
    _Atomic int64_t stuck_until;  /* CLOCK_MONOTONIC ms until which a stopped lock holder is not waited for again */
};

struct bearer_holder {
    struct bearer_holder *next;
    char *user; /* as asked for, lower case; or "[section]" */
    struct bearer_account *account;
    struct bearer_keeper *keeper;
};

/* A file that had to be opened before the jail. */
struct bearer_kept_file {
    struct bearer_kept_file *next;
    char *path;
    struct bearer_descriptor descriptor; /* open, to be read anew each time */
    struct bearer_secret copy;           /* or what was in it then */
    char *trouble; /* why it could not be opened, or NULL */
};

struct bearer_loaded {
    struct bearer_loaded *next;
    char *name;
    const struct bearer_provider *provider; /* NULL = it could not be loaded before the jail */
    char *trouble;                          /* why */
};

struct bearer_context {
    struct bearer_config *config;
    char *completions[OPT_COUNT]; /* what the program itself said */
    char *stores[BEARER_LEVEL_COUNT]; /* see bearer_context_store() */
    bool looked_for_user_store;
    char *program;                /* this program's name, or NULL */
    bool sealed; /* jailed program: only what was opened at the start is used */
    struct bearer_log log;

    struct bearer_guard guard; /* for the lists, the keepers and reading their stores; never held over the network */
    _Atomic(struct bearer_holder *) holders; /* may be walked without the guard: one that is in the list stays as it is */
    struct bearer_keeper *keepers;
    struct bearer_kept_file *files;
    struct bearer_loaded *loaded;
};

/* Tells a line. */
void bearer_tell(const struct bearer_log *log, enum bearer_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Lends the directory of a level's tokens, or NULL. */
const char *bearer_context_store(struct bearer_context *context, enum bearer_level level);

/* Opens the keeper's store if it has one and it is not open.  create: make the file, and the directory where that is ours to
 * make.  The guard is held.  BEARER_OK also where there is nothing to open. */
enum bearer_status bearer_keeper_open(struct bearer_context *context, struct bearer_keeper *keeper,
                                      const struct bearer_account *account, bool create, struct bearer_error *err);

/* Opens a file before the jail, for bearer_context_read_file().  copy_max: 0 = keep it open, else read that many bytes at most and
 * keep a copy.  What goes wrong is told to the log, and again to whoever needs the file. */
void bearer_context_keep_file(struct bearer_context *context, const char *path, unsigned rules, size_t copy_max);

/* Reads a file named by sasl.conf, be it by OPT_CREDENTIAL_PREFIX; in a jail the one that was opened before. */
enum bearer_status bearer_context_read_file(struct bearer_context *context, const char *path, unsigned rules,
                                            size_t maximum, struct bearer_secret *content_out, struct bearer_error *err);

/* Lends the account's provider, loading it if need be. */
enum bearer_status bearer_context_provider(struct bearer_context *context, const struct bearer_account *account,
                                           const struct bearer_provider **provider_out, struct bearer_error *err);

/* What one attempt is made with. */
struct bearer_attempt {
    const char *refresh_token;                /* or NULL */
    const char *password;                     /* or NULL */
    const struct bearer_ceremony *ceremony;   /* a person signs in; NULL = none does */
    bool identify;                            /* find out who signed in */
    int64_t deadline;                         /* CLOCK_MONOTONIC ms */
    const struct bearer_log *log;             /* NULL = the context's */
};

/* Asks the account's provider.  Gives in *fresh_out what it brought: access token, times, refresh token and user if told; after a
 * failure at most a refresh token, which is never to be lost.  Sizes and characters are checked here, for all providers. */
enum bearer_status bearer_fetch(struct bearer_context *context, const struct bearer_account *account,
                                const struct bearer_attempt *attempt, struct bearer_token *fresh_out,
                                struct bearer_error *err);

#define BEARER_REFERENCE_COUNT 8

/* An account's options with all that they refer to; see struct bearer_option. */
struct bearer_options {
    struct bearer_option list[OPT_COUNT + BEARER_REFERENCE_COUNT + 1];
    struct bearer_secret contents[BEARER_REFERENCE_COUNT];
};

#define BEARER_OPTIONS_INIT { .list = { { NULL, NULL, NULL, 0 } } }

/* Fills *options, lending it the account's values.  deadline: CLOCK_MONOTONIC ms, for commands.  BEARER_CONFIG, BEARER_LATER,
 * BEARER_LOCAL, BEARER_NOMEM: something could not be read; clear them all the same. */
enum bearer_status bearer_options_read(struct bearer_context *context, const struct bearer_account *account, int64_t deadline,
                                       struct bearer_options *options, struct bearer_error *err);
void bearer_options_clear(struct bearer_options *options);

/* Opens before the jail what can be used inside. */
void bearer_options_keep(struct bearer_context *context, const struct bearer_account *account);

/* A number that changes when the account's credential does, as far as files and sasl.conf tell; 0 where it has none. */
int64_t bearer_credential_mark(struct bearer_context *context, const struct bearer_account *account);

#endif
