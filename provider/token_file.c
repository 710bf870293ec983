/* token_file.c - see token_file.h */
#include "provider/token_file.h"

#include "credential/clock.h"
#include "credential/renewal.h"
#include "credential/secret.h"
#include "credential/text.h"
#include "credential/trusted_file.h"
#include "provider/expiry.h"
#include "provider/oauth.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

#define FILE_MAX     65536     /* bytes, read and written */
#define WINDOW       10        /* seconds, sasl-xoauth2's */
#define LEFTOVER_AGE 60        /* seconds after which nobody is writing it any more */
#define SUFFIX       ".XXXXXX" /* mkostemp's */

/* ------------------------------------------------------------------ secrets within JSON */

static void wipe_text(const json_t *value)
{
    if (json_is_string(value))
        bearer_wipe((char *)(uintptr_t)json_string_value(value), json_string_length(value));
}

/* Replaces a member, in its place among the others. */
static bool put(json_t *json, const char *name, json_t *value)
{
    wipe_text(json_object_get(json, name));
    return json_object_set_new(json, name, value) == 0;
}

/* ------------------------------------------------------------------ reading */

/* The members that mean something, if they are there. */
static enum bearer_status check_members(const struct token_file *file, struct bearer_error *err)
{
    static const char *const texts[] = { "access_token", "refresh_token",  "client_id",    "client_secret", "token_endpoint",
                                         "proxy",        "ca_bundle_file", "ca_certs_dir", "scope",         "user" };
    const json_t *window = json_object_get(file->json, "refresh_window");
    int64_t number;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const json_t *value = json_object_get(file->json, texts[i]);

        if (value != NULL && !json_is_string(value) && !json_is_null(value))
            return bearer_fail(err, BEARER_CONFIG, "'%s' has a %s that is not a text: put it between quotes", file->path,
                               texts[i]);
    }
    if (window != NULL && !json_is_null(window) && !expiry_seconds(window, &number))
        return bearer_fail(err, BEARER_CONFIG, "'%s' has a refresh_window that is not a number of seconds", file->path);
    return BEARER_OK;
}

static bool is_token(const json_t *json)
{
    return json_object_get(json, "access_token") != NULL || json_object_get(json, "refresh_token") != NULL ||
           json_object_get(json, "use_client_credentials") != NULL;
}

static enum bearer_status read_json(struct token_file *file, struct bearer_error *err)
{
    struct bearer_secret content = BEARER_SECRET_INIT;
    enum bearer_status st = bearer_trusted_read(file->fd, file->path, FILE_MAX, &content, err);
    json_error_t why;

    oauth_forget(file->json);
    file->json = NULL;
    if (st != BEARER_OK)
        return st;
    file->json = json_loadb(bearer_secret_reveal(&content), content.length, JSON_REJECT_DUPLICATES, &why);
    if (file->json == NULL) /* jansson's own words may repeat what stands there */
        st = bearer_fail(err, BEARER_CONFIG, "'%s' is not JSON: look at line %d", file->path, why.line);
    else if (!is_token(file->json))
        st = bearer_fail(err, BEARER_CONFIG, "'%s' is JSON, but no object with access_token and refresh_token", file->path);
    else
        st = check_members(file, err);
    bearer_secret_clear(&content);
    return st;
}

/* Why a file was refused.  That it is no token file goes first: nobody is to be told to run chmod on /etc/passwd. */
static enum bearer_status explain_refusal(struct token_file *file, const struct bearer_error *why, struct bearer_error *err)
{
    if (bearer_trusted_open(file->path, BEARER_FILE_PUBLIC, &file->fd, NULL, NULL) == BEARER_OK)
        (void)read_json(file, err);
    bearer_fail(err, why->status, "%s", why->text);
    token_file_close(file);
    return why->status;
}

enum bearer_status token_file_open(struct token_file *file, const char *path, struct bearer_error *err)
{
    struct bearer_error why = BEARER_ERROR_INIT;

    token_file_close(file);
    file->path = realpath(path, NULL);
    if (file->path == NULL)
        return errno == ENOMEM ? bearer_fail(err, BEARER_NOMEM, "out of memory")
                               : bearer_fail(err, BEARER_CONFIG, "cannot open '%s': %m", path);
    if (bearer_trusted_open(file->path, BEARER_FILE_SECRET, &file->fd, &file->status, &why) != BEARER_OK)
        return explain_refusal(file, &why, err);
    return read_json(file, err);
}

void token_file_close(struct token_file *file)
{
    token_file_unlock(file);
    if (file->fd >= 0)
        close(file->fd);
    oauth_forget(file->json);
    free(file->path);
    *file = (struct token_file)TOKEN_FILE_INIT;
}

/* ------------------------------------------------------------------ what it says */

const char *token_file_text(const struct token_file *file, const char *name)
{
    const char *text = json_string_value(json_object_get(file->json, name));

    return text != NULL && *text != '\0' ? text : NULL;
}

bool token_file_flag(const struct token_file *file, const char *name)
{
    const char *text = token_file_text(file, name);

    return json_is_true(json_object_get(file->json, name)) ||
           (text != NULL && (strcasecmp(text, "yes") == 0 || strcasecmp(text, "true") == 0));
}

int64_t token_file_lifetime(const struct token_file *file)
{
    int64_t expiry, now = bearer_now();

    if (token_file_text(file, "access_token") == NULL || !expiry_seconds(json_object_get(file->json, "expiry"), &expiry))
        return 0;
    return expiry > now ? expiry - now : 0;
}

int64_t token_file_window(const struct token_file *file)
{
    int64_t window;

    return expiry_seconds(json_object_get(file->json, "refresh_window"), &window) ? window : WINDOW;
}

/* ------------------------------------------------------------------ lock */

static bool is_named(const struct token_file *file)
{
    struct stat named;

    return stat(file->path, &named) == 0 && named.st_dev == file->status.st_dev && named.st_ino == file->status.st_ino;
}

/* flock, because it can be had on a file that may only be read.  Never waits: nobody knows how long. */
enum bearer_status token_file_lock(struct token_file *file, bool *locked_out, struct bearer_error *err)
{
    *locked_out = false;
    file->locked = flock(file->fd, LOCK_EX | LOCK_NB) == 0;
    if (!file->locked && (errno == EWOULDBLOCK || errno == EINTR))
        return BEARER_OK;
    if (!is_named(file)) /* what we locked is the file that was here before */
        return BEARER_OK;
    *locked_out = true;
    return read_json(file, err);
}

void token_file_unlock(struct token_file *file)
{
    if (file->locked)
        flock(file->fd, LOCK_UN); /* close() is not enough: a child that was forked meanwhile shares the lock */
    file->locked = false;
}

/* ------------------------------------------------------------------ replacing */

static bool write_all(int fd, const struct bearer_secret *text)
{
    size_t done = 0;

    while (done < text->length) {
        ssize_t n = write(fd, text->bytes + done, text->length - done);

        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return false;
    }
    return true;
}

/* Gives the new file the old one's owner and mode.  Where the group cannot be kept, no group gets its rights. */
static bool keep_owner(int fd, const struct stat *old)
{
    mode_t mode = old->st_mode & ACCESSPERMS;

    if (fchown(fd, old->st_uid, old->st_gid) != 0 && fchown(fd, (uid_t)-1, old->st_gid) != 0)
        mode &= ~(mode_t)S_IRWXG;
    return fchmod(fd, mode) == 0;
}

static const char *name_of(const struct token_file *file)
{
    return strrchr(file->path, '/') + 1;
}

/* Gives the directory's path, with a slash behind it. */
static char *directory_of(const struct token_file *file)
{
    return bearer_text_format("%.*s", (int)(name_of(file) - file->path), file->path);
}

/* Whether an entry of the directory is a new file that somebody began and, killed, never finished. */
static bool is_leftover(const struct token_file *file, int directory, const char *entry)
{
    const char *name = name_of(file);
    size_t length = strlen(name);
    struct stat status;

    return entry[0] == '.' && strncmp(entry + 1, name, length) == 0 && entry[1 + length] == '.' &&
           strlen(entry + 1 + length) == strlen(SUFFIX) && fstatat(directory, entry, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(status.st_mode) && status.st_mtime < bearer_now() - LEFTOVER_AGE;
}

/* Cleans up, and sees that the new name is on disk.  Neither is worth a failure. */
static void settle(const struct token_file *file, const char *path)
{
    DIR *directory = opendir(path);
    const struct dirent *entry;

    if (directory == NULL)
        return;
    fsync(dirfd(directory));
    while ((entry = readdir(directory)) != NULL)
        if (is_leftover(file, dirfd(directory), entry->d_name))
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
}

static enum bearer_status replace(const struct token_file *file, const struct bearer_secret *text, struct bearer_error *err)
{
    char *directory = directory_of(file);
    char *fresh = directory != NULL ? bearer_text_format("%s.%s" SUFFIX, directory, name_of(file)) : NULL;
    int fd = fresh != NULL ? mkostemp(fresh, O_CLOEXEC) : -1;
    enum bearer_status st = BEARER_OK;

    if (fresh == NULL) {
        st = bearer_fail(err, BEARER_NOMEM, "out of memory");
    } else if (fd < 0) {
        st = bearer_fail(err, BEARER_LOCAL, "cannot make a new file in '%s': %m; user id %lu must be allowed to write there",
                         directory, (unsigned long)geteuid());
    } else if (!write_all(fd, text) || !keep_owner(fd, &file->status) || fsync(fd) != 0 || rename(fresh, file->path) != 0) {
        st = bearer_fail(err, BEARER_LOCAL, "cannot write '%s' anew: %m", file->path);
        unlink(fresh);
    }
    if (fd >= 0)
        close(fd);
    if (st == BEARER_OK)
        settle(file, directory);
    free(fresh);
    free(directory);
    return st;
}

/* As sasl-xoauth2 writes it, a text; as a number where it was one. */
static json_t *new_expiry(const struct token_file *file, int64_t lifetime)
{
    int64_t expiry = bearer_now() + (lifetime > 0 ? lifetime : BEARER_DEFAULT_LIFETIME);
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)expiry);
    return json_is_number(json_object_get(file->json, "expiry")) ? json_integer((json_int_t)expiry) : json_string(text);
}

static bool take_grant(struct token_file *file, const struct bearer_grant *grant)
{
    bool done = true;

    if (grant->refresh_token != NULL)
        done = put(file->json, "refresh_token", json_string(grant->refresh_token));
    if (done && grant->access_token != NULL)
        done = put(file->json, "access_token", json_string(grant->access_token)) &&
               put(file->json, "expiry", new_expiry(file, grant->lifetime));
    return done;
}

/* JSON on its way into a secret, of which so much is used. */
struct print {
    struct bearer_secret *text;
    size_t used;
};

static int append(const char *bytes, size_t length, void *data)
{
    struct print *print = data;

    if (length > print->text->length - print->used)
        return -1;
    memcpy(print->text->bytes + print->used, bytes, length);
    print->used += length;
    return 0;
}

/* Gives the whole file as text, ending in a newline. */
static enum bearer_status print_json(const json_t *json, struct bearer_secret *text_out, struct bearer_error *err)
{
    const size_t flags = JSON_INDENT(4) | JSON_PRESERVE_ORDER;
    struct print print = { text_out, 0 };
    enum bearer_status st = bearer_secret_reserve(text_out, FILE_MAX, err);

    if (st != BEARER_OK)
        return st;
    if (json_dump_callback(json, append, &print, flags) != 0 || append("\n", 1, &print) != 0)
        return bearer_fail(err, BEARER_LOCAL, "what belongs into it is larger than %d bytes", FILE_MAX);
    text_out->length = print.used;
    return BEARER_OK;
}

enum bearer_status token_file_save(struct token_file *file, const struct bearer_grant *grant, struct bearer_error *err)
{
    struct bearer_secret text = BEARER_SECRET_INIT;
    enum bearer_status st;

    if (!take_grant(file, grant))
        st = bearer_fail(err, BEARER_NOMEM, "out of memory");
    else if ((st = print_json(file->json, &text, err)) == BEARER_OK)
        st = replace(file, &text, err);
    bearer_secret_clear(&text);
    return st;
}
