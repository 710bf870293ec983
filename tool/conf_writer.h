/* conf_writer.h - changes a sasl.conf as a careful person would: one section, nothing else; looked at before it is written;
 * written whole or not at all, the old one kept.
 *
 *     open -> set section, as often as need be -> show -> commit -> close
 */
#ifndef TOOL_CONF_WRITER_H
#define TOOL_CONF_WRITER_H

#include "credential/config.h"

#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>

struct conf_writer {
    char *path;         /* where it really is: symbolic links are followed */
    char *before;       /* its text; "" where there is no file yet */
    char *after;        /* what it is to be */
    bool exists;        /* so far */
    struct stat status; /* of what was read */
};

/* Reads a file, which need not be there.  conf_writer_close() it in any case.
 * BEARER_CONFIG: it is not one to be trusted, or has a mistake that concerns all of it.  BEARER_LOCAL, BEARER_NOMEM. */
enum bearer_status conf_writer_open(const char *path, enum bearer_level level, struct conf_writer *writer,
                                    struct bearer_error *err);
void conf_writer_close(struct conf_writer *writer);

/* Whether the file, as it is now, has a section of that name. */
bool conf_writer_has(const struct conf_writer *writer, const char *pattern);

/* Gives a section these values and no others; NULL = not set.  One of that name is replaced where it stands.  A new one
 * comes last, or before the first pattern that would hide it. BEARER_USAGE: pattern or value cannot stand in a sasl.conf;
 * the words are those of sasl.conf's own errors.  BEARER_NOMEM. */
enum bearer_status conf_writer_set(struct conf_writer *writer, const char *pattern, const char *const values[OPT_COUNT],
                                   struct bearer_error *err);

/* Shows what is to change: lines that go with `-`, lines that come with `+`.  Secrets are not shown. */
void conf_writer_show(const struct conf_writer *writer, FILE *out);

/* Writes it.  Gives the name of the backup, or NULL where there was no file.  Free it.
 * BEARER_LOCAL: cannot be written, or was changed by somebody else; then all is as it was. */
enum bearer_status conf_writer_commit(struct conf_writer *writer, char **backup_out, struct bearer_error *err);

#endif
