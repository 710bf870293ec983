/* whole_file.h - writes a file whole or not at all: beside it, to the disk, then into its place. */
#ifndef TOOL_WHOLE_FILE_H
#define TOOL_WHOLE_FILE_H

#include "credential/error.h"

#include <sys/stat.h>

struct whole_file {
    const char *path; /* no symbolic link: that would be replaced */
    const void *bytes;
    size_t length;
    mode_t mode;
    const struct stat *before; /* the one it replaces, whose owner it gets; NULL = there must be none */
};

/* Writes it.  backup_out: if not NULL, the one that was there keeps its content under another name, which is given; NULL
 * where none was there.  Free it.
 * BEARER_LOCAL: cannot be written, or is no longer the one in before; then all is as it was. */
enum bearer_status whole_file_write(const struct whole_file *file, char **backup_out, struct bearer_error *err);

/* Makes the directories that a path needs, open to all for reading. */
enum bearer_status whole_file_make_directory(const char *path, struct bearer_error *err);

#endif
