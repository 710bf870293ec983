/* command.h - the commands of sasl-bearer(1): one file and one row each. */
#ifndef TOOL_COMMAND_H
#define TOOL_COMMAND_H

#include "credential/context.h"
#include "tool/environment.h"

#include <stdbool.h>

/* Everything that can stand on a command line. */
struct arguments {
    unsigned given;     /* bits of the options that were given */
    const char *format; /* --format */
    const char *user;   /* NULL = none */
    const struct environment_choice *choice; /* which configuration it is, to open it anew */
};

enum argument_bit {
    ARG_DEVICE = 0x01,
    ARG_WITH_REFRESH_TOKEN = 0x02,
    ARG_ANY_USER = 0x04,
    ARG_RENEW = 0x08,
    ARG_FORMAT = 0x10,
    ARG_ALL = 0x20,
    ARG_WATCH = 0x40,
    ARG_JSON = 0x80,
};

enum user_argument { USER_REQUIRED, USER_OPTIONAL };

struct command {
    const char *name;
    const char *synopsis; /* behind the name */
    const char *summary;
    const char *help;  /* what the options mean */
    unsigned accepts;  /* argument bits */
    enum user_argument user;
    int (*run)(struct bearer_context *context, const struct arguments *arguments); /* gives the exit code */
};

extern const struct command command_login, command_logout, command_token, command_status, command_renew;

/* Tells an error on standard error; gives the exit code that goes with it. */
int command_fail(const struct bearer_error *err);

/* Finds a user's holder, telling if there is none.  NULL: *exit_out is set. */
struct bearer_holder *command_find(struct bearer_context *context, const char *user, int *exit_out);

/* Writes "3 min", "2 h", "5 days" for a number of seconds. */
const char *command_duration(int64_t seconds, char *out, size_t size);

/* Writes "the client secret ends in 6 days, on 2026-12-01: ..." if a credential's end is near or past.  False: it is not. */
bool command_credential_end(const struct bearer_account *account, const struct bearer_token *token, char *out, size_t size);

#endif
