/* scratch.c - see scratch.h */
#include "tests/unit/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Texts lent until the test ends. */
struct lent {
    struct lent *next;
    char *text;
};

static char *directory;
static struct lent *lent;

static const char *lend(const char *format, va_list arguments) __attribute__((format(printf, 1, 0)));

static const char *lend(const char *format, va_list arguments)
{
    struct lent *entry = calloc(1, sizeof *entry);

    assert_non_null(entry);
    assert_true(vasprintf(&entry->text, format, arguments) >= 0);
    entry->next = lent;
    lent = entry;
    return entry->text;
}

int scratch_begin(void **state)
{
    const char *base = getenv("TMPDIR");

    (void)state;
    if (asprintf(&directory, "%s/sasl-bearer-XXXXXX", base != NULL && base[0] == '/' ? base : "/tmp") < 0)
        return -1;
    return mkdtemp(directory) != NULL ? 0 : -1;
}

static int take_away(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

int scratch_end(void **state)
{
    int result = nftw(directory, take_away, 16, FTW_DEPTH | FTW_PHYS);

    (void)state;
    for (struct lent *next; lent != NULL; lent = next) {
        next = lent->next;
        free(lent->text);
        free(lent);
    }
    free(directory);
    directory = NULL;
    return result;
}

const char *scratch_directory(void)
{
    return directory;
}

const char *scratch_path(const char *name, ...)
{
    va_list arguments;
    const char *text;

    va_start(arguments, name);
    text = lend(name, arguments);
    va_end(arguments);
    return scratch_text("%s/%s", directory, text);
}

const char *scratch_text(const char *format, ...)
{
    va_list arguments;
    const char *text;

    va_start(arguments, format);
    text = lend(format, arguments);
    va_end(arguments);
    return text;
}

/* Makes the directories above a path. */
static void make_parents(const char *path)
{
    char *copy = strdup(path);

    assert_non_null(copy);
    for (char *slash = strchr(copy + strlen(directory) + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        assert_true(mkdir(copy, 0755) == 0 || errno == EEXIST);
        *slash = '/';
    }
    free(copy);
}

const char *scratch_write_bytes(const char *name, mode_t mode, const void *bytes, size_t length)
{
    const char *path = scratch_path("%s", name);
    int fd;

    make_parents(path);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), (ssize_t)length);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
    return path;
}

const char *scratch_write(const char *name, mode_t mode, const char *text)
{
    return scratch_write_bytes(name, mode, text, strlen(text));
}

unsigned char *scratch_read(const char *path, size_t *length_out)
{
    struct stat status;
    unsigned char *bytes;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &status), 0);
    bytes = malloc((size_t)status.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(read(fd, bytes, (size_t)status.st_size), status.st_size);
    bytes[status.st_size] = '\0';
    assert_int_equal(close(fd), 0);
    *length_out = (size_t)status.st_size;
    return bytes;
}
