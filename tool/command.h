/* command.h - the commands of sasl-bearer(1): one file and one row each. */
#ifndef TOOL_COMMAND_H
#define TOOL_COMMAND_H

#include "credential/context.h"
#include "tool/environment.h"

#include <stdbool.h>

/* Options of commands: a bit each. */
enum argument_bit {
    ARG_DEVICE = 0x01,
    ARG_WITH_REFRESH_TOKEN = 0x02,
    ARG_ANY_USER = 0x04,
    ARG_RENEW = 0x08,
    ARG_FORMAT = 0x10,
    ARG_ALL = 0x20,
    ARG_WATCH = 0x40,
    ARG_JSON = 0x80,
    ARG_QUIET = 0x100,
    ARG_VERBOSE = 0x200,
    /* check */
    ARG_SERVER = 0x400,
    ARG_SEND_TO = 0x800,
    ARG_REPORT = 0x1000,
    /* setup */
    ARG_DELEGATED = 0x2000,
    ARG_APP_ONLY = 0x4000,
    ARG_TENANT = 0x8000,
    ARG_CLIENT_ID = 0x10000,
    ARG_CLOUD = 0x20000,
    ARG_SECRET_FILE = 0x40000,
    ARG_SECRET_EXPIRES = 0x80000,
    ARG_CERTIFICATE = 0x100000,
    ARG_MAKE_CERTIFICATE = 0x200000,
    ARG_MAILBOX = 0x400000,
    ARG_OBJECT_ID = 0x800000,
    ARG_YES = 0x1000000,
    ARG_PRINT_POWERSHELL = 0x2000000,
    ARG_PRINT_CONSENT_URL = 0x4000000,
};

#define ARG_BITS 27
#define ARG_LIST_MAX 32

/* Everything that can stand on a command line. */
struct arguments {
    unsigned given;                 /* bits of the options that were given */
    const char *values[ARG_BITS];   /* see arguments_value() */
    const char *list[ARG_LIST_MAX]; /* --server or --mailbox, which may be repeated */
    unsigned list_count;
    const char *url;    /* NULL = none */
    const char *user;   /* NULL = none */
    const struct environment_choice *choice; /* which configuration it is, to open it anew */
};

/* Lends the value of an option, or NULL if it was not given. */
const char *arguments_value(const struct arguments *arguments, enum argument_bit bit);

enum user_argument { USER_REQUIRED, USER_OPTIONAL };

struct command {
    const char *name;
    const char *synopsis; /* behind the name */
    const char *summary;
    const char *help;  /* what the options mean */
    unsigned accepts;  /* argument bits */
    enum user_argument user;
    bool wants_url; /* before the user */
    int (*run)(struct bearer_context *context, const struct arguments *arguments); /* gives the exit code */
};

extern const struct command command_login, command_logout, command_token, command_status, command_renew, command_check,
    command_setup, command_connect;

/* Tells an error on standard error; gives the exit code that goes with it. */
int command_fail(const struct bearer_error *err);

/* Tells on standard output what went well, unless --quiet. */
void command_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Finds a user's holder, telling if there is none.  NULL: *exit_out is set. */
struct bearer_holder *command_find(struct bearer_context *context, const char *user, int *exit_out);

/* Writes "3 min", "2 h", "5 days" for a number of seconds. */
const char *command_duration(int64_t seconds, char *out, size_t size);

/* Writes "the client secret ends in 6 days, on 2026-12-01: ..." if a credential's end is near or past.  False: it is not. */
bool command_credential_end(const struct bearer_account *account, const struct bearer_token *token, char *out, size_t size);

#endif
