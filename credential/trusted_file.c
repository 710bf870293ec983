/* trusted_file.c - see trusted_file.h */
#include "credential/trusted_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
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

static enum bearer_status file_size(int fd, const char *path, size_t maximum, size_t *size_out, struct bearer_error *err)
{
    struct stat status;

    if (fstat(fd, &status) != 0)
        return bearer_fail(err, BEARER_LOCAL, "cannot examine '%s': %m", path);
    if (status.st_size < 0 || (size_t)status.st_size > maximum)
        return bearer_fail(err, BEARER_CONFIG, "'%s' is larger than %zu bytes", path, maximum);
    *size_out = (size_t)status.st_size;
    return BEARER_OK;
}

/* Reads up to size bytes from the start of a file; *have_out may be less, for the file may have shrunk. */
static enum bearer_status read_all(int fd, const char *path, char *bytes, size_t size, size_t *have_out, struct bearer_error *err)
{
    size_t have = 0;
    ssize_t n = 1;

    while (have < size && n != 0) {
        n = pread(fd, bytes + have, size - have, (off_t)have);
        if (n < 0 && errno != EINTR)
            return bearer_fail(err, BEARER_LOCAL, "cannot read '%s': %m", path);
        have += n > 0 ? (size_t)n : 0;
    }
    *have_out = have;
    return BEARER_OK;
}

enum bearer_status bearer_trusted_read(int fd, const char *path, size_t maximum, struct bearer_secret *content_out,
                                       struct bearer_error *err)
{
    struct bearer_secret content = BEARER_SECRET_INIT;
    enum bearer_status st;
    size_t size;

    if ((st = file_size(fd, path, maximum, &size, err)) == BEARER_OK &&
        (st = bearer_secret_reserve(&content, size, err)) == BEARER_OK &&
        (st = read_all(fd, path, content.bytes, size, &content.length, err)) == BEARER_OK)
        bearer_secret_take(content_out, &content);
    bearer_secret_clear(&content);
    return st;
}

enum bearer_status bearer_trusted_read_text(int fd, const char *path, size_t maximum, char **text_out, size_t *length_out,
                                            struct bearer_error *err)
{
    enum bearer_status st;
    char *text;
    size_t size;

    *text_out = NULL;
    if ((st = file_size(fd, path, maximum, &size, err)) != BEARER_OK)
        return st;
    text = malloc(size + 1);
    if (text == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    if ((st = read_all(fd, path, text, size, length_out, err)) != BEARER_OK) {
        free(text);
        return st;
    }
    text[*length_out] = '\0';
    *text_out = text;
    return BEARER_OK;
}
