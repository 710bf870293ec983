/* config.c - see config.h.  The syntax is libsasl2's own, `key: value`, plus `[section]`. */
#include "credential/config.h"

#include "credential/text.h"
#include "credential/trusted_file.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 1048576 /* bytes; a configuration larger than this is a mistake */

struct reader {
    struct bearer_config *config;
    enum bearer_level level;
    struct bearer_config_file *file;
    struct bearer_section *section; /* the one being filled; the level's top before the first */
    unsigned line;
    bool drop_in;
    bool others_read; /* anyone may read this file: no secrets in it */
    bool nomem;
};

/* ------------------------------------------------------------------ mistakes */

/* Puts "FILE:LINE: text" into *slot unless something stands there. */
static void note_mistake(struct reader *r, char **slot, const char *text)
{
    if (*slot != NULL)
        return;
    *slot = r->line > 0 ? bearer_text_format("%s:%u: %s", r->file->path, r->line, text) : strdup(text);
    if (*slot == NULL)
        r->nomem = true;
}

/* A line that cannot be parsed concerns the whole file: what follows may be meant for another section.  At the top it also concerns
 * the other files of the level, which inherit from there: it might have been meant as a limit.  Not so a drop-in that is not
 * read at all: one tenant's is not everybody's. */
static void file_mistake(struct reader *r, const char *text)
{
    note_mistake(r, &r->file->error, text);
    if (r->section->pattern == NULL && !(r->drop_in && r->line == 0))
        note_mistake(r, &r->section->error, text);
}

/* A mistake within a section concerns that section; at the top it concerns the file. */
static void section_mistake(struct reader *r, const char *text)
{
    if (r->section->pattern != NULL)
        note_mistake(r, &r->section->error, text);
    else
        file_mistake(r, text);
}

/* ------------------------------------------------------------------ lines */

static char *trim(char *text)
{
    char *end;

    text += strspn(text, " \t");
    end = text + strlen(text);
    while (end > text && strchr(" \t\r", end[-1]) != NULL)
        *--end = '\0';
    return text;
}

static struct bearer_section *section_find(struct reader *r, const char *pattern)
{
    struct bearer_section *section = r->config->levels[r->level].sections;

    while (section != NULL && strcmp(section->pattern, pattern) != 0)
        section = section->next;
    return section;
}

static struct bearer_section *section_add(struct reader *r, char *pattern)
{
    struct bearer_section **tail = &r->config->levels[r->level].sections;
    struct bearer_section *section = calloc(1, sizeof *section);

    if (section == NULL)
        return NULL;
    section->pattern = pattern;
    section->file = r->file;
    section->line = r->line;
    section->level = r->level;
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = section;
    return section;
}

/* "[pattern]", optionally followed by blanks and a comment. */
static void read_section(struct reader *r, char *line)
{
    char *end = strchr(line, ']'), *rest, *name, *pattern;
    struct bearer_section *twin;

    rest = end != NULL ? end + 1 + strspn(end + 1, " \t") : line;
    if (end != NULL)
        *end = '\0';
    name = trim(line + 1);
    if (end == NULL || *name == '\0' || (*rest != '\0' && *rest != '#')) {
        file_mistake(r, "a section reads [user@domain] or [*@domain]");
        return;
    }
    pattern = bearer_text_lower(name);
    if (pattern == NULL) {
        r->nomem = true;
        return;
    }
    twin = section_find(r, pattern);
    if (twin != NULL) {
        char text[512];

        snprintf(text, sizeof text, "section [%s] stands already at %s:%u; join them", pattern, twin->file->path,
                 twin->line);
        r->section = twin;
        section_mistake(r, text);
        free(pattern);
        return;
    }
    r->section = section_add(r, pattern);
    if (r->section == NULL) {
        free(pattern);
        r->nomem = true;
        r->section = &r->config->levels[r->level].top;
    }
}

/* What is wrong with setting this option here, or NULL. */
static const char *misplaced(const struct reader *r, enum bearer_option_id id, char *text, size_t size)
{
    const struct bearer_option_row *row = bearer_option_row(id);

    if ((row->flags & OPT_TOP_ONLY) && (r->section->pattern != NULL || r->level != BEARER_LEVEL_SYSTEM)) {
        snprintf(text, size, "%s stands only above the first section of the system's sasl.conf", row->name);
        return text;
    }
    if (row->type == OPT_TYPE_SECRET && r->others_read) {
        snprintf(text, size, "%s in a file that anyone can read: run chmod o= '%s'", row->name, r->file->path);
        return text;
    }
    return NULL;
}

static void read_value(struct reader *r, const char *key, const char *value)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_config_value *slot;
    const char *nearest;
    char text[512];
    enum bearer_option_id id = bearer_option_find(key, &nearest);

    if (id == OPT_COUNT && nearest == NULL && r->section->pattern == NULL && strncmp(key, "oauth2_", 7) != 0)
        return; /* one of libsasl2's own options */
    if (id == OPT_COUNT) {
        snprintf(text, sizeof text, nearest != NULL ? "unknown option '%s', nearest is '%s'" : "unknown option '%s'", key,
                 nearest);
        section_mistake(r, text);
        return;
    }
    slot = &r->section->values[id];
    if (slot->text != NULL && slot->file == r->file) {
        snprintf(text, sizeof text, "%s is set already at line %u", key, slot->line);
        section_mistake(r, text);
        return;
    }
    if (misplaced(r, id, text, sizeof text) != NULL) {
        section_mistake(r, text);
        return;
    }
    if (bearer_option_check(id, value, &err) != BEARER_OK) {
        section_mistake(r, err.text);
        return;
    }
    if (slot->text != NULL) /* a later file's top overrides an earlier one's */
        bearer_wipe_string(slot->text);
    free(slot->text);
    slot->text = strdup(value);
    slot->file = r->file;
    slot->line = r->line;
    if (slot->text == NULL)
        r->nomem = true;
}

/* "key: value".  The value is everything up to the end of the line, without quotes or comments. */
static void read_option(struct reader *r, char *line)
{
    char *colon = strchr(line, ':'), *key, *value, text[512];

    if (colon == NULL) {
        file_mistake(r, "neither 'option: value' nor a [section] nor a # comment");
        return;
    }
    *colon = '\0';
    key = trim(line);
    bearer_text_to_lower(key); /* as libsasl2 does */
    value = trim(colon + 1);
    if (*key == '\0' || strpbrk(key, " \t") != NULL) {
        file_mistake(r, "an option is one word followed by a colon");
        return;
    }
    if (*value == '\0')
        snprintf(text, sizeof text, "%s has no value: give one or take the line out", key);
    else if (*value == '#' || strstr(value, " #") != NULL || strstr(value, "\t#") != NULL)
        snprintf(text, sizeof text, "a comment behind the value of %s would become part of it: give it a line of its own",
                 key);
    else if (*value == '"' || *value == '\'')
        snprintf(text, sizeof text, "the value of %s begins with a quote, which would become part of it: take it out", key);
    else {
        read_value(r, key, value);
        return;
    }
    section_mistake(r, text);
}

/* A tab is a blank; anything else below it in ASCII is an editor's accident. */
static bool has_control(const char *line)
{
    for (size_t length; (length = strcspn(line, "\t")), true; line += length + 1) {
        if (bearer_text_has_control(line, length))
            return true;
        if (line[length] == '\0')
            return false;
    }
}

static void read_line(struct reader *r, char *line)
{
    line = trim(line);
    if (*line == '\0' || *line == '#')
        return;
    if (has_control(line))
        file_mistake(r, "a control character stands in this line");
    else if (*line == '[')
        read_section(r, line);
    else
        read_option(r, line);
}

/* ------------------------------------------------------------------ files */

static struct bearer_config_file *file_add(struct reader *r, const char *path)
{
    struct bearer_config_file **tail = &r->config->levels[r->level].files;
    struct bearer_config_file *file = calloc(1, sizeof *file);

    if (file == NULL || (file->path = strdup(path)) == NULL) {
        free(file);
        r->nomem = true;
        return NULL;
    }
    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = file;
    return file;
}

static void read_lines(struct reader *r, char *text, size_t length)
{
    const char *nul = memchr(text, '\0', length);

    if (nul != NULL) {
        r->line = 1;
        for (const char *p = text; p < nul; p++)
            r->line += *p == '\n';
        file_mistake(r, "a NUL byte stands in this line");
        return;
    }
    for (char *line; (line = strsep(&text, "\n")) != NULL && !r->nomem;) {
        r->line++;
        read_line(r, line);
    }
}

/* The system's file may hold secrets for others than us: not being allowed to read it is as if it were not there. */
static bool is_absent(enum bearer_level level, int error)
{
    return error == ENOENT || error == ENOTDIR || (error == EACCES && level == BEARER_LEVEL_SYSTEM);
}

/* Reads one file into the level.  True if it is there, be it good or bad. */
static bool read_file(struct reader *r, const char *path, bool required)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct stat status = { 0 };
    enum bearer_status st;
    char *text = NULL;
    size_t length;
    int fd;

    /* Most programs find no file: words are made only where somebody will read them. */
    st = bearer_trusted_open(path, 0, &fd, &status, NULL);
    if (st != BEARER_OK && !required && is_absent(r->level, errno))
        return false;
    if (st != BEARER_OK)
        st = bearer_trusted_open(path, 0, &fd, &status, &err);
    r->file = file_add(r, path);
    r->section = &r->config->levels[r->level].top;
    r->line = 0;
    r->others_read = (status.st_mode & S_IROTH) != 0;
    if (r->file == NULL)
        goto out;
    if (st != BEARER_OK || bearer_trusted_read_text(fd, path, FILE_MAX, &text, &length, &err) != BEARER_OK)
        file_mistake(r, err.text);
    else
        read_lines(r, text, length);
out:
    if (text != NULL)
        bearer_wipe(text, length); /* there may be a secret in it */
    free(text);
    if (fd >= 0)
        close(fd);
    return true;
}

static int is_conf(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);

    return entry->d_name[0] != '.' && length > 5 && strcmp(entry->d_name + length - 5, ".conf") == 0;
}

/* Byte order, whatever the locale. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void read_drop_ins(struct reader *r, const char *directory)
{
    struct dirent **names = NULL;
    int count = scandir(directory, &names, is_conf, by_name);

    r->drop_in = true;
    for (int i = 0; i < count; i++) {
        char *path = bearer_text_join(directory, "/", names[i]->d_name, NULL);

        if (path == NULL)
            r->nomem = true;
        else
            read_file(r, path, false);
        free(path);
        free(names[i]);
    }
    r->drop_in = false;
    free(names);
}

/* Reads DIRECTORY/sasl.conf and DIRECTORY/sasl.conf.d.  True if either was there. */
static bool read_directory(struct reader *r, const char *directory, bool drop_ins)
{
    char *path = bearer_text_join(directory, "/sasl.conf", NULL);
    char *extra = bearer_text_join(directory, "/sasl.conf.d", NULL);
    bool found = false;

    if (path == NULL || extra == NULL) {
        r->nomem = true;
    } else {
        found = read_file(r, path, false);
        if (drop_ins)
            read_drop_ins(r, extra);
    }
    free(path);
    free(extra);
    return found || r->config->levels[r->level].files != NULL;
}

/* The first directory of a path that has something to say; one that is relative says nothing. */
static void read_system(struct reader *r, const char *path)
{
    char *copy = path != NULL ? strdup(path) : NULL, *rest = copy, *directory;

    r->level = BEARER_LEVEL_SYSTEM;
    r->nomem = path != NULL && copy == NULL;
    while ((directory = strsep(&rest, ":")) != NULL)
        if (directory[0] == '/' && read_directory(r, directory, true))
            break;
    free(copy);
}

enum bearer_status bearer_config_load(const struct bearer_config_places *places, struct bearer_config **config_out,
                                      struct bearer_error *err)
{
    struct reader r = { 0 };

    *config_out = NULL;
    r.config = calloc(1, sizeof *r.config);
    if (r.config == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    for (int level = 0; level < BEARER_LEVEL_COUNT; level++)
        r.config->levels[level].top.level = (enum bearer_level)level;

    if (places->file != NULL) {
        r.level = places->file_level;
        read_file(&r, places->file, true);
    } else {
        read_system(&r, places->system_path);
        if (places->user_directory != NULL) {
            r.level = BEARER_LEVEL_USER;
            read_directory(&r, places->user_directory, false);
        }
    }
    if (r.nomem) {
        bearer_config_free(&r.config);
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    }
    *config_out = r.config;
    return BEARER_OK;
}

static void section_clear(struct bearer_section *section)
{
    for (int id = 0; id < OPT_COUNT; id++) {
        if (bearer_option_row((enum bearer_option_id)id)->type == OPT_TYPE_SECRET)
            bearer_wipe_string(section->values[id].text);
        free(section->values[id].text);
    }
    free(section->pattern);
    free(section->error);
}

void bearer_config_free(struct bearer_config **config)
{
    if (*config == NULL)
        return;
    for (int level = 0; level < BEARER_LEVEL_COUNT; level++) {
        struct bearer_section *section = (*config)->levels[level].sections, *next_section;
        struct bearer_config_file *file = (*config)->levels[level].files, *next_file;

        for (; section != NULL; section = next_section) {
            next_section = section->next;
            section_clear(section);
            free(section);
        }
        section_clear(&(*config)->levels[level].top);
        for (; file != NULL; file = next_file) {
            next_file = file->next;
            free(file->path);
            free(file->error);
            free(file);
        }
    }
    free(*config);
    *config = NULL;
}

const struct bearer_config_file *bearer_config_broken_file(const struct bearer_config *config, enum bearer_level level)
{
    const struct bearer_config_file *file = config->levels[level].files;

    while (file != NULL && file->error == NULL)
        file = file->next;
    return file;
}

bool bearer_config_is_empty(const struct bearer_config *config)
{
    for (int level = 0; level < BEARER_LEVEL_COUNT; level++) {
        if (config->levels[level].sections != NULL ||
            bearer_config_broken_file(config, (enum bearer_level)level) != NULL)
            return false;
        for (int id = 0; id < OPT_COUNT; id++)
            if (config->levels[level].top.values[id].text != NULL)
                return false;
    }
    return true;
}
