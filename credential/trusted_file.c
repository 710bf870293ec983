/* trusted_file.c - see trusted_file.h */
#include "credential/trusted_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static enum bearer_status judge(const char *path, unsigned rules, const struct stat *status, struct bearer_error *err)
{
    if (!S_ISREG(status->st_mode))
        return bearer_fail(err, BEARER_CONFIG, "'%s' is not a regular file", path);
    if (rules & BEARER_FILE_PUBLIC)
        return BEARER_OK;
    if (status->st_uid != 0 && status->st_uid != geteuid())
        return bearer_fail(err, BEARER_CONFIG, "'%s' belongs to user id %lu, not to root or to whom it serves: run chown on it",
                           path, (unsigned long)status->st_uid);
    if (status->st_mode & (S_IWGRP | S_IWOTH))
        return bearer_fail(err, BEARER_CONFIG, "'%s' can be written by others than its owner: run chmod go-w '%s'", path,
                           path);
    if ((rules & BEARER_FILE_SECRET) && (status->st_mode & S_IROTH))
        return bearer_fail(err, BEARER_CONFIG, "'%s' holds a secret and anyone can read it: run chmod o= '%s'", path, path);
    return BEARER_OK;
}

enum bearer_status bearer_trusted_open(const char *path, unsigned rules, int *fd_out, struct stat *status_out,
                                       struct bearer_error *err)
{
    struct stat status;
    enum bearer_status st;
    int fd;

    *fd_out = -1;
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK); /* O_NONBLOCK: never wait for a FIFO's writer */
    if (fd < 0)
        return bearer_fail(err, BEARER_CONFIG, "cannot open '%s': %m", path);
    if (fstat(fd, &status) != 0)
        st = bearer_fail(err, BEARER_LOCAL, "cannot examine '%s': %m", path);
    else
        st = judge(path, rules, &status, err);
    if (st != BEARER_OK) {
        close(fd);
        errno = 0;
        return st;
    }
    if (status_out != NULL)
        *status_out = status;
    *fd_out = fd;
    return BEARER_OK;
}

enum bearer_status bearer_trusted_read(int fd, const char *path, size_t maximum, struct bearer_secret *content_out,
                                       struct bearer_error *err)
{
    struct bearer_secret content = BEARER_SECRET_INIT;
    struct stat status;
    enum bearer_status st;
    size_t have = 0;

    if (fstat(fd, &status) != 0)
        return bearer_fail(err, BEARER_LOCAL, "cannot examine '%s': %m", path);
    if (status.st_size < 0 || (size_t)status.st_size > maximum)
        return bearer_fail(err, BEARER_CONFIG, "'%s' is larger than %zu bytes", path, maximum);
    if ((st = bearer_secret_reserve(&content, (size_t)status.st_size, err)) != BEARER_OK)
        return st;
    while (have < content.length) {
        ssize_t n = pread(fd, content.bytes + have, content.length - have, (off_t)have);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            st = bearer_fail(err, BEARER_LOCAL, "cannot read '%s': %m", path);
            bearer_secret_clear(&content);
            return st;
        }
        if (n == 0)
            break;
        have += (size_t)n;
    }
    content.length = have; /* it may have shrunk; what is behind is zero */
    bearer_secret_take(content_out, &content);
    return BEARER_OK;
}
