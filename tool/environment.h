/* environment.h - what a command finds: the configuration that Postfix and everybody else would find. */
#ifndef TOOL_ENVIRONMENT_H
#define TOOL_ENVIRONMENT_H

#include "credential/context.h"

#include <stdbool.h>

struct environment_choice {
    bool system;      /* --system: the system's files only */
    bool user;        /* --user: the user's files, then the system's */
    const char *conf; /* --conf FILE: this one only; NULL = none named */
    bool verbose;     /* --verbose: tell notes too, each request among them */
    bool quiet;       /* --quiet: errors only */
};

/* Gives the context for a choice; neither --system nor --user means --system for root and --user for all others.  The choice is
 * lent until the context ends. */
enum bearer_status environment_open(const struct environment_choice *choice, struct bearer_context **context_out,
                                    struct bearer_error *err);

/* Has libsasl2 in this process, and the plugin that it loads, find what the choice says; to be called before libsasl2
 * starts.  BEARER_USAGE: the choice names a file that no plugin would read.  BEARER_CONFIG: it is not there. */
enum bearer_status environment_pass_on(const struct environment_choice *choice, struct bearer_error *err);

/* Gives the one sasl.conf that is to be changed for a choice, be it there or not, and its level.  Free it.
 * BEARER_USAGE: this user has none. */
enum bearer_status environment_conf_file(const struct environment_choice *choice, char **path_out,
                                         enum bearer_level *level_out, struct bearer_error *err);

#endif
