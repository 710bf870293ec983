/* descriptor.c - see descriptor.h */
#include "credential/descriptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOWEST 10 /* programs and shells count on the numbers below */

bool bearer_descriptor_keep(struct bearer_descriptor *descriptor, int fd)
{
    struct stat status;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST), error = errno;

    close(fd);
    if (high < 0) {
        errno = error;
        return false;
    }
    if (fstat(high, &status) != 0 || !S_ISREG(status.st_mode)) {
        close(high);
        errno = EBADF;
        return false;
    }
    descriptor->fd = high;
    descriptor->device = status.st_dev;
    descriptor->inode = status.st_ino;
    return true;
}

bool bearer_descriptor_valid(struct bearer_descriptor *descriptor, nlink_t *links_out)
{
    struct stat status;

    if (descriptor->fd < 0)
        return false;
    if (fstat(descriptor->fd, &status) != 0 || status.st_dev != descriptor->device || status.st_ino != descriptor->inode) {
        descriptor->fd = -1;
        return false;
    }
    if (links_out != NULL)
        *links_out = status.st_nlink;
    return true;
}

void bearer_descriptor_close(struct bearer_descriptor *descriptor)
{
    if (bearer_descriptor_valid(descriptor, NULL))
        close(descriptor->fd);
    descriptor->fd = -1;
}
