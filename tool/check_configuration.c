/* check_configuration.c - which sasl.conf was read, who may write it, sections that nobody reaches.
 *
 * A doctor sees what callers of credential/context.h do not: the configuration behind the context. */
#include "credential/places.h"
#include "credential/text.h"
#include "tool/check.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA "configuration"

static const char *const level_names[BEARER_LEVEL_COUNT] = {
    [BEARER_LEVEL_USER] = "the user's", [BEARER_LEVEL_SYSTEM] = "the system's"
};

/* ------------------------------------------------------------------ files */

/* Whoever may write where sasl.conf is decides what becomes of every token. */
static void look_at_directory(struct check *check, const char *file)
{
    char *copy = strdup(file), *directory = copy != NULL ? dirname(copy) : NULL;
    struct stat status;

    if (directory == NULL || stat(directory, &status) != 0)
        ;
    else if (status.st_mode & (S_IWGRP | S_IWOTH))
        check_say_remedy(check, CHECK_PROBLEM, AREA, bearer_text_format("run chmod go-w '%s'", directory),
                         "the directory '%s' can be written by others than its owner, who could put another sasl.conf there",
                         directory);
    else if (status.st_uid != 0 && status.st_uid != geteuid())
        check_say_remedy(check, CHECK_PROBLEM, AREA, bearer_text_format("run chown on '%s'", directory),
                         "the directory '%s' belongs to user id %lu, who could put another sasl.conf there", directory,
                         (unsigned long)status.st_uid);
    free(copy);
}

static unsigned say_files(struct check *check, enum bearer_level level)
{
    const struct bearer_config_file *file;
    unsigned count = 0;

    for (file = bearer_context_config(check->context)->levels[level].files; file != NULL; file = file->next, count++) {
        if (file->error != NULL)
            check_say(check, CHECK_PROBLEM, AREA, NULL, "%s", file->error); /* which names file, line and remedy */
        else
            check_say(check, CHECK_OK, AREA, NULL, "'%s' was read, %s", file->path, level_names[level]);
        look_at_directory(check, file->path);
    }
    return count;
}

/* A system's file that this user may not read counts as absent, for it may hold other people's secrets. */
static bool say_hidden_file(struct check *check)
{
    static const char path[] = SYSCONFDIR "/sasl2/sasl.conf";

    if (access(path, R_OK) == 0 || errno != EACCES)
        return false;
    check_say_unseen(check, AREA, "'%s' may not be read by this user, for whom it counts as absent", path);
    return true;
}

static void look_at_files(struct check *check)
{
    const char *conf = check->arguments->choice->conf;
    unsigned count = say_files(check, BEARER_LEVEL_SYSTEM) + say_files(check, BEARER_LEVEL_USER);

    if (conf == NULL && say_hidden_file(check))
        return;
    if (count == 0)
        check_say(check, CHECK_PROBLEM, AREA,
                  "run sasl-bearer setup, or write " SYSCONFDIR "/sasl2/sasl.conf: see sasl.conf(5)",
                  "there is no sasl.conf, so the plugin offers nothing to any program");
    else if (!bearer_context_is_configured(check->context))
        check_say(check, CHECK_PROBLEM, AREA,
                  "run sasl-bearer setup, or write a section for the mailboxes: see sasl.conf(5)",
                  "sasl.conf makes no account, so the plugin offers nothing to any program");
}

/* ------------------------------------------------------------------ sections nobody reaches */

/* Writes a name that a pattern covers, each `*` as so many of a letter that no name has. */
static bool write_sample(const char *pattern, size_t stars, char *out, size_t size)
{
    size_t length = 0;

    for (; *pattern != '\0'; pattern++) {
        size_t count = *pattern == '*' ? stars : 1;

        if (length + count + 1 > size)
            return false;
        memset(out + length, *pattern == '*' || *pattern == '?' ? '\1' : *pattern, count);
        length += count;
    }
    out[length] = '\0';
    return true;
}

/* Whether a pattern covers all that another one does: no name, a short and a long one tell. */
static bool covers(const char *pattern, const char *other)
{
    static const size_t stars[] = { 0, 1, 40 };
    char sample[1024];

    for (size_t i = 0; i < sizeof stars / sizeof stars[0]; i++)
        if (!write_sample(other, stars[i], sample, sizeof sample) || !bearer_text_matches(pattern, sample))
            return false;
    return true;
}

/* An exact name is never hidden: it counts wherever it stands. */
static void look_for_hiding(struct check *check, const struct bearer_section *first, const struct bearer_section *section)
{
    if (!bearer_text_is_pattern(section->pattern))
        return;
    for (const struct bearer_section *earlier = first; earlier != section; earlier = earlier->next)
        if (bearer_text_is_pattern(earlier->pattern) && covers(earlier->pattern, section->pattern)) {
            check_say_remedy(
                check, CHECK_WARNING, AREA, bearer_text_format("move [%s] above [%s]", section->pattern, earlier->pattern),
                "%s:%u: section [%s] is never used, for [%s] at %s:%u stands before it and covers all it does",
                section->file->path, section->line, section->pattern, earlier->pattern, earlier->file->path, earlier->line);
            return;
        }
}

static void look_at_sections(struct check *check)
{
    for (int level = 0; level < BEARER_LEVEL_COUNT; level++) {
        const struct bearer_section *first = bearer_context_config(check->context)->levels[level].sections;

        for (const struct bearer_section *section = first; section != NULL; section = section->next)
            look_for_hiding(check, first, section);
    }
}

void check_configuration(struct check *check)
{
    look_at_files(check);
    look_at_sections(check);
}
