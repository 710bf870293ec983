/* token_file.h - a file with one user's token as JSON, the way sasl-xoauth2 keeps it: read, locked, replaced.
 *
 * Members that we know: access_token, refresh_token, expiry (seconds since the epoch, as number or text) and what the
 * provider asks for by name.  All others stay as they are.  A file is never changed in place: a new one takes its name, with
 * its owner and mode, so whoever reads it or is killed finds a whole one.  The lock is advisory and ours alone: sasl-xoauth2
 * has none. */
#ifndef BEARER_TOKEN_FILE_H
#define BEARER_TOKEN_FILE_H

#include "credential/error.h"
#include "credential/provider.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

struct token_file {
    char *path;         /* symbolic links followed: their file is replaced, not they */
    int fd;             /* -1 = none */
    bool locked;        /* by us, through fd */
    struct stat status; /* of fd */
    json_t *json;       /* an object */
};

#define TOKEN_FILE_INIT                                                                                                     \
    {                                                                                                                       \
        .path = NULL, .fd = -1, .locked = false, .json = NULL                                                               \
    }

/* Opens and reads, after closing what was open.  BEARER_CONFIG: it cannot be opened, is not ours alone (see trusted_file.h),
 * or is no such file; the text says what to do.  Whatever is returned: token_file_close() in the end. */
enum bearer_status token_file_open(struct token_file *file, const char *path, struct bearer_error *err);

/* Tries to take the lock, and having it reads again.  Sets *locked_out to false, with BEARER_OK, if another has it or the
 * file was replaced in between: wait a moment and open anew.  Where the file system has no locks it does without. */
enum bearer_status token_file_lock(struct token_file *file, bool *locked_out, struct bearer_error *err);

void token_file_unlock(struct token_file *file);

/* Unlocks, closes, wipes. */
void token_file_close(struct token_file *file);

/* Lends a member that is a text; NULL if there is none or it is empty. */
const char *token_file_text(const struct token_file *file, const char *name);

/* Whether a member says yes: true, or "yes" or "true" as text. */
bool token_file_flag(const struct token_file *file, const char *name);

/* How many seconds the access token is still good; 0 = not at all. */
int64_t token_file_lifetime(const struct token_file *file);

/* How many seconds before its end the access token is to be renewed. */
int64_t token_file_window(const struct token_file *file);

/* Takes over what a grant brought and replaces the file; only while it is locked.  BEARER_LOCAL: the file is as it was, the
 * text says why.  Takes out leftovers of processes that were killed at it. */
enum bearer_status token_file_save(struct token_file *file, const struct bearer_grant *grant, struct bearer_error *err);

#endif
