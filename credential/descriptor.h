/* descriptor.h - file descriptors that are kept while somebody else's program runs.
 *
 * A host may close descriptors it did not open and get our number for a file of its own; what we wrote then would land in
 * there.  So a kept descriptor is at least 10, close-on-exec, and looked at before each use: if it is no longer the file it
 * was, the number is forgotten and never closed.  Only regular files are kept: a directory's descriptor is a way out of a
 * chroot jail.
 */
#ifndef BEARER_DESCRIPTOR_H
#define BEARER_DESCRIPTOR_H

#include <stdbool.h>
#include <sys/types.h>

struct bearer_descriptor {
    int fd; /* -1 = none */
    dev_t device;
    ino_t inode;
};

#define BEARER_DESCRIPTOR_INIT { -1, 0, 0 }

/* Takes fd, even when it fails.  False: fd is closed and errno says why. */
bool bearer_descriptor_keep(struct bearer_descriptor *descriptor, int fd);

/* Whether it is still our file; forgets it if not.  links_out, if not NULL, receives how many names the file has. */
bool bearer_descriptor_valid(struct bearer_descriptor *descriptor, nlink_t *links_out);

/* Closes it if it is still ours; forgets it. */
void bearer_descriptor_close(struct bearer_descriptor *descriptor);

#endif
