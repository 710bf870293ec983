/* check_store.c - where tokens are kept: directory, file system, lock, and what is in the file. */
#include "credential/clock.h"
#include "credential/context.h"
#include "credential/renewal.h"
#include "credential/store.h"
#include "credential/text.h"
#include "tool/check.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#define AREA "store"
#define ROOM (1024 * 1024) /* bytes: a token file takes less than a tenth of it */

/* File systems that do not keep what our form of file is built on.  Magic numbers: statfs(2). */
static const struct file_system {
    unsigned long magic;
    const char *name;
    const char *why;
    const char *remedy;
} file_systems[] = {
#define COPIES     "writes a new copy of what is changed in place, so on a full disk a renewed sign-in may not be stored"
#define REMOTE     "is on another machine, and locks between machines are not to be relied on"
#define KEEP_ROOM  "see that it never gets full"
#define KEEP_LOCAL "set oauth2_token_store to a directory on this machine"
    { 0x9123683e, "btrfs", COPIES, KEEP_ROOM },
    { 0x2fc12fc1, "zfs", COPIES, KEEP_ROOM },
    { 0xca451a4e, "bcachefs", COPIES, KEEP_ROOM },
    { 0x794c7630, "overlay", "is gone with its container, sign-ins and all, and " COPIES, "keep the tokens on a volume" },
    { 0x01021994, "tmpfs", "is empty after a restart, so people have to sign in again", KEEP_LOCAL },
    { 0x858458f6, "ramfs", "is empty after a restart, so people have to sign in again", KEEP_LOCAL },
    { 0x6969, "nfs", REMOTE, KEEP_LOCAL },
    { 0xff534d42, "cifs", REMOTE, KEEP_LOCAL },
    { 0xfe534d42, "smb2", REMOTE, KEEP_LOCAL },
    { 0x01021997, "9p", REMOTE, KEEP_LOCAL },
};

/* ------------------------------------------------------------------ the directory */

/* Others cannot read a token there anyway; but they can see who has one, or hand us a file of theirs. */
static bool look_at_access(struct check *check, const char *directory, const struct stat *status)
{
    if (!S_ISDIR(status->st_mode))
        check_say(check, CHECK_PROBLEM, AREA, "move it away", "'%s' is not a directory", directory);
    else if (status->st_mode & (S_IWGRP | S_IWOTH))
        check_say_remedy(check, CHECK_PROBLEM, AREA, bearer_text_format("run chmod go-w '%s'", directory),
                         "the token directory '%s' can be written by others than its owner", directory);
    else if (status->st_uid != 0 && status->st_uid != geteuid() && geteuid() != 0)
        check_say(check, CHECK_PROBLEM, AREA, "run chown on it, or set oauth2_token_store to one of your own",
                  "the token directory '%s' belongs to user id %lu", directory, (unsigned long)status->st_uid);
    else if (access(directory, R_OK | W_OK | X_OK) != 0)
        check_say(check, CHECK_PROBLEM, AREA, "run this as its owner, or as root",
                  "the token directory '%s' cannot be used: %s", directory, strerror(errno));
    else if (status->st_mode & (S_IRWXG | S_IRWXO))
        check_say_remedy(check, CHECK_WARNING, AREA, bearer_text_format("run chmod 700 '%s'", directory),
                         "anybody can see in '%s' who has tokens, though not the tokens", directory);
    else
        check_say(check, CHECK_OK, AREA, NULL, "tokens are kept in '%s', which belongs to %s", directory,
                  status->st_uid == 0           ? "root"
                  : status->st_uid == geteuid() ? "this user"
                                                : "another user");
    return S_ISDIR(status->st_mode);
}

static void look_at_file_system(struct check *check, const char *directory)
{
    struct statfs status;
    struct statvfs room;

    if (statfs(directory, &status) != 0 || statvfs(directory, &room) != 0)
        return;
    for (size_t i = 0; i < sizeof file_systems / sizeof file_systems[0]; i++)
        if (((unsigned long)status.f_type & 0xffffffff) == file_systems[i].magic)
            check_say(check, CHECK_WARNING, AREA, file_systems[i].remedy, "the file system of '%s', %s, %s", directory,
                      file_systems[i].name, file_systems[i].why);
    if (room.f_flag & ST_RDONLY)
        check_say(check, CHECK_PROBLEM, AREA, "set oauth2_token_store to a directory that can be written",
                  "the file system of '%s' is read-only", directory);
    else if ((uint64_t)room.f_bavail * room.f_frsize < ROOM || (room.f_files > 0 && room.f_favail == 0))
        check_say(check, CHECK_PROBLEM, AREA, "make room", "the file system of '%s' is full", directory);
}

/* Where it will be made. */
static void look_at_absent(struct check *check, const struct bearer_account *account, const char *directory)
{
    if (errno != ENOENT)
        check_say(check, CHECK_PROBLEM, AREA, "correct oauth2_token_store", "cannot look at '%s': %s", directory,
                  strerror(errno));
    else if (geteuid() == 0 || account->level == BEARER_LEVEL_USER || check->user == NULL)
        check_say(check, CHECK_OK, AREA, NULL, "the token directory '%s' is made when %s first needs it", directory,
                  account->level == BEARER_LEVEL_USER ? "a login" : "root");
    else
        check_say_remedy(check, CHECK_PROBLEM, AREA, bearer_text_format("run mkdir -m 700 '%s' as root", directory),
                         "the token directory '%s' is missing, and the system's tokens are root's to keep", directory);
}

/* The system's tokens are root's: others need not see them.  What comes of that for somebody in particular, the token tells.
 */
static bool is_closed(struct check *check, const struct bearer_account *account, const char *directory)
{
    bool closed =
        account->level == BEARER_LEVEL_SYSTEM && access(directory, R_OK | W_OK | X_OK) != 0 && check_is_unseen(errno);

    if (closed)
        check_say_unseen(check, AREA, "this user may not use the token directory '%s'", directory);
    return closed;
}

static bool look_at_directory(struct check *check, const struct bearer_account *account, const char *directory)
{
    struct stat status;

    if (stat(directory, &status) != 0) {
        look_at_absent(check, account, directory);
        return false;
    }
    if (look_at_access(check, directory, &status))
        look_at_file_system(check, directory);
    return true;
}

/* ------------------------------------------------------------------ a token file */

/* Without locks, every process would renew for itself, and refresh tokens would be lost. */
static void look_at_lock(struct check *check, const char *path)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);

    if (fd < 0)
        return;
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0)
        check_say(check, CHECK_PROBLEM, AREA, "set oauth2_token_store to a directory on a local file system",
                  "the file system of '%s' has no locks: %s", path, strerror(errno));
    close(fd);
}

/* What is left of a token after an attempt that failed.  Of a named user, the area token tries anew. */
static void say_failure(struct check *check, const struct bearer_token *token, const char *name)
{
    bool passes = token->failure == BEARER_LATER || token->failure == BEARER_PEER || token->failure == BEARER_LOCAL;
    char before[512];

    snprintf(before, sizeof before, "%s: the last attempt to get a token failed: ", name);
    if (check->user != NULL && !bearer_token_alive(token, bearer_now()))
        check_say(check, CHECK_SKIPPED, AREA, NULL, "%s: the last attempt to get a token failed: see token", name);
    else
        check_say_refusal(check, passes ? CHECK_WARNING : CHECK_PROBLEM, AREA, name, token->failure, token->text, before);
}

static void say_token(struct check *check, const struct bearer_account *account, const struct bearer_token *token,
                      const char *name)
{
    int64_t now = bearer_now();
    char life[32];

    if (token->failed != 0)
        say_failure(check, token, name);
    else if (bearer_token_usable(token, &account->margin, now))
        check_say(check, CHECK_OK, AREA, NULL, "%s: there is a token, good for %s", name,
                  command_duration(token->expires - now, life, sizeof life));
    else
        check_say(check, CHECK_OK, AREA, NULL, "%s: %s; the next login fetches one", name,
                  token->access_token.length == 0 ? "there is no token yet" : "the token has ended, or nearly");
    if (token->issued > now + 60)
        check_say(check, CHECK_PROBLEM, AREA, "set this machine's clock", "%s: the stored token was issued in the future",
                  name);
}

/* Says why there is no sign-in, once: what depends on it need not be looked at. */
static void say_no_sign_in(struct check *check, const char *name, const char *why)
{
    check_say_remedy(check, CHECK_PROBLEM, AREA, bearer_text_format("run sasl-bearer login %s", name), "%s: %s", name, why);
    if (check->user != NULL)
        check->tokenless = "first sign in";
}

/* A new file is all zeros. */
static bool has_content(const char *path)
{
    FILE *file = fopen(path, "re");
    int byte = 0;

    while (file != NULL && byte == 0)
        byte = getc(file);
    if (file != NULL)
        fclose(file);
    return byte > 0;
}

/* Whether there is something in the file, but no token, not even an empty one. */
static bool is_damaged(const char *path)
{
    struct bearer_store *store = NULL;
    const struct bearer_token *token;
    bool damaged = path != NULL && bearer_store_open(path, 0, &store, NULL) == BEARER_OK && store != NULL &&
                   bearer_store_read(store, &token, NULL) == BEARER_OK && bearer_store_mark(store).sequence == 0 &&
                   has_content(path);

    bearer_store_free(&store);
    return damaged;
}

/* Who signed in must do so again; others get a token from the next login, which writes the file anew. */
static void say_damaged(struct check *check, const char *path, const char *name, bool person)
{
    static const char remedy[] = "the next login writes it anew; if this comes again, look at the disk, and at who else "
                                 "writes there";

    if (person && check->user != NULL)
        check->tokenless = "first sign in";
    if (person)
        check_say_remedy(check, CHECK_PROBLEM, AREA, bearer_text_format("run sasl-bearer login %s", name),
                         "%s: the token file '%s' is damaged: the sign-in in it is lost", name, path);
    else
        check_say(check, CHECK_WARNING, AREA, remedy, "%s: the token file '%s' is damaged", name, path);
}

static void look_at_token(struct check *check, struct bearer_holder *holder, const char *name)
{
    const struct bearer_account *account = bearer_holder_account(holder);
    struct bearer_token token = BEARER_TOKEN_INIT;
    struct bearer_error err = BEARER_ERROR_INIT;
    bool foreign = false, person = account->provider->flags & BEARER_PER_IDENTITY;

    if (bearer_peek(check->context, holder, &token, &foreign, &err) != BEARER_OK)
        check_say(check, CHECK_PROBLEM, AREA, NULL, "%s: %s", name, err.text); /* which names the remedy */
    else if (foreign && person)
        say_no_sign_in(check, account->name, "the sign-in was made under other settings (provider, application, scope)");
    else if (is_damaged(bearer_holder_path(holder)))
        say_damaged(check, bearer_holder_path(holder), person ? account->name : name, person);
    else if (person && token.refresh_token.length == 0)
        say_no_sign_in(check, account->name, "nobody has signed in");
    else
        say_token(check, account, &token, name);
    if (err.status != BEARER_OK && person && check->user != NULL)
        check->tokenless = "first mend the token file";
    bearer_token_clear(&token);
}

/* ------------------------------------------------------------------ for each account */

static void say_no_store(struct check *check, const struct bearer_account *account, const char *name)
{
    if (account->provider->flags & BEARER_WANTS_PASSWORD)
        check_say(check, CHECK_OK, AREA, NULL, "%s: the program brings the token, none is kept", name);
    else if (account->provider->flags & BEARER_PER_IDENTITY)
        check_say(check, CHECK_PROBLEM, AREA, "set oauth2_token_store to a directory",
                  "%s: there is nowhere to keep the sign-in", name);
    else
        check_say(check, CHECK_OK, AREA, NULL, "%s: each program fetches a token of its own, none is kept", name);
}

/* What was looked at so far. */
struct seen {
    char *directory; /* the last one: accounts that share one stand together, and once is enough */
    bool there;
    bool closed; /* to this user */
    unsigned system_tokens;
};

static void look_at_account(struct check *check, struct bearer_holder *holder, const char *name, void *data)
{
    const struct bearer_account *account = bearer_holder_account(holder);
    const char *path = bearer_holder_path(holder);
    char *copy = path != NULL ? strdup(path) : NULL;
    struct seen *seen = data;

    if (copy == NULL) {
        say_no_store(check, account, name);
        return;
    }
    dirname(copy);
    if (seen->directory == NULL || strcmp(seen->directory, copy) != 0) {
        seen->closed = is_closed(check, account, copy);
        seen->there = !seen->closed && look_at_directory(check, account, copy);
        free(seen->directory);
        seen->directory = copy;
        copy = NULL; /* taken */
    }
    if (!seen->closed)
        look_at_token(check, holder, name);
    if (seen->there)
        look_at_lock(check, path);
    seen->system_tokens += account->level == BEARER_LEVEL_SYSTEM;
    free(copy);
}

void check_store(struct check *check)
{
    struct seen seen = { .directory = NULL };

    check_each(check, look_at_account, &seen);
    if (seen.system_tokens > BEARER_JAIL_TOKENS_MAX)
        check_say(check, CHECK_WARNING, AREA,
                  "use one app_only section for many mailboxes, or take the program out of oauth2_jailed_programs",
                  "there are %u tokens; a program in a chroot jail, such as Postfix' smtp(8), opens %d of them",
                  seen.system_tokens, BEARER_JAIL_TOKENS_MAX);
    free(seen.directory);
}
