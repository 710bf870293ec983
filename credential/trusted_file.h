/* trusted_file.h - files we believe: opened first, then judged through the descriptor.
 *
 * The rules: a regular file that belongs to root or to this process' effective user and that neither
 * group nor others may write.  A file that holds a secret may not be read by others either; group read is allowed.
 */
#ifndef BEARER_TRUSTED_FILE_H
#define BEARER_TRUSTED_FILE_H

#include "credential/secret.h"

#include <stddef.h>
#include <sys/stat.h>

#define BEARER_FILE_SECRET 0x01 /* refused if others may read it */
#define BEARER_FILE_PUBLIC 0x02 /* content is public and trusted through its directory (a CA bundle): only regular */

/* Opens and judges.  Gives a descriptor (read only, close-on-exec) in *fd_out, else -1.  status_out may be NULL.
 * BEARER_CONFIG: refused, or it cannot be opened; then errno is open(2)'s, else 0.  The text names the chmod or chown. */
enum bearer_status bearer_trusted_open(const char *path, unsigned rules, int *fd_out, struct stat *status_out,
                                       struct bearer_error *err);

/* Reads all of an open file from its start, whatever its offset, up to maximum bytes.  path is for messages.
 * BEARER_CONFIG: larger than that.  BEARER_LOCAL: cannot be read. */
enum bearer_status bearer_trusted_read(int fd, const char *path, size_t maximum, struct bearer_secret *content_out,
                                       struct bearer_error *err);

/* The same for what is no secret as a whole, and read by every program: without pages of its own.  Gives a text, NUL-terminated;
 * wipe and free it. */
enum bearer_status bearer_trusted_read_text(int fd, const char *path, size_t maximum, char **text_out, size_t *length_out,
                                            struct bearer_error *err);

#endif
