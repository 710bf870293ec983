/* arc.c - see arc.h */
#include "provider/arc.h"

#include "credential/text.h"
#include "credential/trusted_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_MAX 4096 /* bytes of a key file */
#define SUFFIX  ".key"

/* Finds PATH in `Basic realm=PATH`, perhaps in quotes. */
static bool find_realm(const char *challenge, const char **path_out, size_t *length_out)
{
    const char *at = challenge;

    if (strncasecmp(at, "Basic ", 6) != 0)
        return false;
    at += 6;
    at += strspn(at, " ");
    if (strncasecmp(at, "realm=", 6) != 0)
        return false;
    at += 6;
    *path_out = *at == '"' ? at + 1 : at;
    *length_out = *at == '"' ? strcspn(at + 1, "\"") : strcspn(at, " ,\t");
    return *length_out > 0;
}

/* Whether a path is DIRECTORY/NAME.key, with nothing in NAME that leads elsewhere. */
static bool is_key_path(const char *directory, const char *path)
{
    size_t prefix = strlen(directory), length;
    const char *name;

    if (strncmp(path, directory, prefix) != 0 || path[prefix] != '/')
        return false;
    name = path + prefix + 1;
    length = strlen(name);
    return length > strlen(SUFFIX) && length <= NAME_MAX && name[0] != '.' && strchr(name, '/') == NULL &&
           strcmp(name + length - strlen(SUFFIX), SUFFIX) == 0;
}

/* The path that a challenge names, if it is one of the agent's. */
static enum bearer_status take_path(const char *directory, const char *challenge, char path[PATH_MAX],
                                    struct bearer_error *err)
{
    const char *realm;
    size_t length;

    if (*challenge == '\0')
        return bearer_fail(err, BEARER_PEER, "it names no key file");
    if (!find_realm(challenge, &realm, &length) || length >= PATH_MAX)
        return bearer_fail(err, BEARER_PEER, "its challenge is not of the form Basic realm=PATH");
    snprintf(path, PATH_MAX, "%.*s", (int)length, realm);
    if (!is_key_path(directory, path)) {
        char shown[128];

        bearer_text_printable(shown, sizeof shown, path, length);
        return bearer_fail(err, BEARER_PEER, "the key file that it names, '%s', is not %s/NAME" SUFFIX ": is it the agent?",
                           shown, directory);
    }
    return BEARER_OK;
}

static enum bearer_status explain_open(const char *directory, const char *path, struct bearer_error *err)
{
    int reason = errno;
    bool hidden = reason == ENOENT && access(directory, F_OK) != 0;

    errno = reason;
    if (hidden)
        return bearer_fail(err, BEARER_LOCAL,
                           "its key file '%s' is out of sight, and a token cannot be renewed inside a chroot jail: is "
                           "sasl-bearer-renew.timer running?",
                           path);
    if (reason == ENOENT)
        return bearer_fail(err, BEARER_LATER, "its key file '%s' is not there", path);
    if (reason == ELOOP)
        return bearer_fail(err, BEARER_PEER, "its key file '%s' is a symbolic link", path);
    return bearer_fail(err, BEARER_LOCAL,
                       "cannot open its key file '%s': %m; root and members of the group himds can: is "
                       "sasl-bearer-renew.timer running?",
                       path);
}

/* The agent runs as root, or as whom its directory belongs to; nobody else can make files there. */
static enum bearer_status judge(const char *directory, const char *path, int fd, struct bearer_error *err)
{
    struct stat home, file;

    if (stat(directory, &home) != 0 || fstat(fd, &file) != 0)
        return bearer_fail(err, BEARER_LOCAL, "cannot examine '%s': %m", path);
    if (!S_ISREG(file.st_mode))
        return bearer_fail(err, BEARER_PEER, "its key file '%s' is not a regular file", path);
    if (file.st_uid != 0 && file.st_uid != home.st_uid)
        return bearer_fail(err, BEARER_PEER, "its key file '%s' belongs to user id %lu, neither to root nor to the agent",
                           path, (unsigned long)file.st_uid);
    if (file.st_size == 0 || file.st_size > KEY_MAX)
        return bearer_fail(err, BEARER_PEER, "its key file '%s' is %s", path,
                           file.st_size == 0 ? "empty" : "larger than any key");
    return BEARER_OK;
}

/* What is to stand in a header is one line. */
static enum bearer_status check_key(const char *path, struct bearer_secret *key, struct bearer_error *err)
{
    while (key->length > 0 && strchr("\r\n", key->bytes[key->length - 1]) != NULL)
        key->bytes[--key->length] = '\0';
    if (key->length == 0 || bearer_text_has_control(key->bytes, key->length))
        return bearer_fail(err, BEARER_PEER, "its key file '%s' holds no key", path);
    return BEARER_OK;
}

enum bearer_status arc_read_key(const char *directory, const char *challenge, struct bearer_secret *key_out,
                                struct bearer_error *err)
{
    char path[PATH_MAX];
    enum bearer_status st = take_path(directory, challenge, path, err);
    int fd;

    if (st != BEARER_OK)
        return st;
    fd = open(path,
              O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK); /* O_NONBLOCK: never wait for a FIFO's writer */
    if (fd < 0)
        return explain_open(directory, path, err);
    if ((st = judge(directory, path, fd, err)) == BEARER_OK &&
        (st = bearer_trusted_read(fd, path, KEY_MAX, key_out, err)) == BEARER_OK)
        st = check_key(path, key_out, err);
    close(fd);
    if (st != BEARER_OK)
        bearer_secret_clear(key_out);
    return st;
}
