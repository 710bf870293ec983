/* whole_file.c - see whole_file.h */
#include "tool/whole_file.h"

#include "credential/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKUPS_MAX 1000

/* ------------------------------------------------------------------ directories */

/* Gives what stands before the last slash. */
static char *directory_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (slash == NULL)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* A new name is on the disk when its directory is. */
static enum bearer_status sync_directory(const char *path, struct bearer_error *err)
{
    char *directory = directory_of(path);
    int fd = directory != NULL ? open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    enum bearer_status st = BEARER_OK;

    if (fd < 0 || fsync(fd) != 0)
        st = bearer_fail(err, BEARER_LOCAL, "cannot bring '%s' to the disk: %m", path);
    if (fd >= 0)
        close(fd);
    free(directory);
    return st;
}

/* The mode is set apart: what is to be read by all programs does not depend on this process' umask. */
static bool make_one(const char *directory)
{
    if (mkdir(directory, 0755) == 0)
        return chmod(directory, 0755) == 0;
    return errno == EEXIST;
}

enum bearer_status whole_file_make_directory(const char *path, struct bearer_error *err)
{
    char *directory = directory_of(path);
    enum bearer_status st = BEARER_OK;

    if (directory == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    for (char *slash = strchr(directory + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        if (!make_one(directory)) {
            st = bearer_fail(err, BEARER_LOCAL, "cannot make the directory '%s': %m", directory);
            break;
        }
        if (slash == NULL)
            break;
        *slash = '/';
    }
    free(directory);
    return st;
}

/* ------------------------------------------------------------------ the file */

static bool write_all(int fd, const char *bytes, size_t length)
{
    ssize_t n;

    for (; length > 0; bytes += n, length -= (size_t)n)
        if ((n = write(fd, bytes, length)) < 0) {
            if (errno != EINTR)
                return false;
            n = 0;
        }
    return true;
}

/* Owner first: chown(2) takes bits off the mode. */
static bool dress(int fd, const struct whole_file *file)
{
    const struct stat *before = file->before;

    if (before != NULL && (before->st_uid != geteuid() || before->st_gid != getegid()) &&
        fchown(fd, before->st_uid, before->st_gid) != 0)
        return false;
    return fchmod(fd, file->mode) == 0;
}

/* Fills the file beside it, which is then on the disk. */
static enum bearer_status fill(const struct whole_file *file, char *beside, struct bearer_error *err)
{
    int fd = mkostemp(beside, O_CLOEXEC), error;

    if (fd < 0) {
        beside[0] = '\0'; /* there is nothing to remove */
        return bearer_fail(err, BEARER_LOCAL, "cannot write '%s': %m", file->path);
    }
    error = write_all(fd, file->bytes, file->length) && dress(fd, file) && fsync(fd) == 0 ? 0 : errno;
    if (close(fd) != 0 && error == 0)
        error = errno;
    errno = error;
    return error == 0 ? BEARER_OK : bearer_fail(err, BEARER_LOCAL, "cannot write '%s': %m", file->path);
}

static bool is_unchanged(const struct whole_file *file)
{
    const struct stat *before = file->before;
    struct stat now;

    return lstat(file->path, &now) == 0 && now.st_dev == before->st_dev && now.st_ino == before->st_ino &&
           now.st_size == before->st_size && now.st_mtim.tv_sec == before->st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
}

/* The old file itself becomes the backup, under a second name that nobody uses: nothing is copied, nothing can be lost. */
static enum bearer_status keep_old(const struct whole_file *file, char **backup_out, struct bearer_error *err)
{
    char number[16] = "";

    for (int i = 2; i < BACKUPS_MAX; i++) {
        char *backup = bearer_text_format("%s.bak%s", file->path, number);

        if (backup == NULL)
            return bearer_fail(err, BEARER_NOMEM, "out of memory");
        if (link(file->path, backup) == 0) {
            *backup_out = backup;
            return BEARER_OK;
        }
        free(backup);
        if (errno != EEXIST)
            break;
        snprintf(number, sizeof number, "%d", i);
    }
    return bearer_fail(err, BEARER_LOCAL, "cannot keep a backup of '%s': %m", file->path);
}

/* A new file must not replace one that came meanwhile; link(2) sees to it. */
static enum bearer_status put_new(const struct whole_file *file, const char *beside, struct bearer_error *err)
{
    if (link(beside, file->path) != 0)
        return bearer_fail(err, BEARER_LOCAL,
                           errno == EEXIST ? "'%s' is there already, and is not replaced" : "cannot write '%s': %m",
                           file->path);
    unlink(beside);
    return BEARER_OK;
}

static enum bearer_status put_instead(const struct whole_file *file, const char *beside, char **backup_out,
                                      struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;

    if (!is_unchanged(file))
        return bearer_fail(err, BEARER_LOCAL, "'%s' was changed by somebody else meanwhile: try again", file->path);
    if (backup_out != NULL)
        st = keep_old(file, backup_out, err);
    if (st == BEARER_OK && rename(beside, file->path) != 0) {
        st = bearer_fail(err, BEARER_LOCAL, "cannot write '%s': %m", file->path);
        if (backup_out != NULL) {
            unlink(*backup_out);
            free(*backup_out);
            *backup_out = NULL;
        }
    }
    return st;
}

enum bearer_status whole_file_write(const struct whole_file *file, char **backup_out, struct bearer_error *err)
{
    char *beside = bearer_text_format("%s.XXXXXX", file->path);
    enum bearer_status st;

    if (backup_out != NULL)
        *backup_out = NULL;
    if (beside == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    st = fill(file, beside, err);
    if (st == BEARER_OK)
        st = file->before != NULL ? put_instead(file, beside, backup_out, err) : put_new(file, beside, err);
    if (st != BEARER_OK && *beside != '\0')
        unlink(beside);
    free(beside);
    return st == BEARER_OK ? sync_directory(file->path, err) : st;
}
