/* conf_writer.c - see conf_writer.h */
#include "tool/conf_writer.h"
#include "credential/secret.h"
#include "credential/text.h"
#include "credential/trusted_file.h"
#include "tool/whole_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 1048576 /* bytes; as much as is ever read */

/* ------------------------------------------------------------------ reading */

/* A file that cannot be read as a whole is mended first: what we add would not be seen. */
static enum bearer_status check_whole(const char *path, enum bearer_level level, struct bearer_error *err)
{
    struct bearer_config_places places = { .file = path, .file_level = level };
    const struct bearer_config_file *broken;
    struct bearer_config *config;
    enum bearer_status st = bearer_config_load(&places, &config, err);

    if (st != BEARER_OK)
        return st;
    broken = bearer_config_broken_file(config, level);
    if (broken != NULL)
        st = bearer_fail(err, BEARER_CONFIG, "%s", broken->error);
    bearer_config_free(&config);
    return st;
}

static enum bearer_status read_text(struct conf_writer *writer, struct bearer_error *err)
{
    enum bearer_status st;
    size_t length;
    int fd;

    st = bearer_trusted_open(writer->path, 0, &fd, &writer->status, err);
    if (st == BEARER_OK)
        st = bearer_trusted_read_text(fd, writer->path, FILE_MAX, &writer->before, &length, err);
    if (fd >= 0)
        close(fd);
    return st;
}

enum bearer_status conf_writer_open(const char *path, enum bearer_level level, struct conf_writer *writer,
                                    struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;

    *writer = (struct conf_writer){ .path = realpath(path, NULL) };
    writer->exists = writer->path != NULL;
    if (!writer->exists && errno != ENOENT && errno != ENOTDIR)
        return bearer_fail(err, BEARER_LOCAL, "cannot open '%s': %m", path);
    if (writer->exists) {
        if ((st = read_text(writer, err)) == BEARER_OK)
            st = check_whole(writer->path, level, err);
    } else {
        writer->path = strdup(path);
        writer->before = strdup("");
    }
    if (st == BEARER_OK && writer->path != NULL && writer->before != NULL)
        writer->after = strdup(writer->before);
    return st == BEARER_OK && writer->after == NULL ? bearer_fail(err, BEARER_NOMEM, "out of memory") : st;
}

void conf_writer_close(struct conf_writer *writer)
{
    bearer_wipe_string(writer->before); /* there may be secrets in it */
    bearer_wipe_string(writer->after);
    free(writer->path);
    free(writer->before);
    free(writer->after);
    *writer = (struct conf_writer){ .path = NULL };
}

/* ------------------------------------------------------------------ lines and sections */

/* Lends the start of the next line; the end of the text after the last. */
static const char *next_line(const char *line)
{
    line += strcspn(line, "\n");
    return *line == '\n' ? line + 1 : line;
}

/* The first character that is no blank. */
static char first_of(const char *line)
{
    return line[strspn(line, " \t\r")];
}

static bool is_header(const char *line)
{
    return first_of(line) == '[';
}

/* A blank line or a comment: before a header it is about that section. */
static bool is_remark(const char *line)
{
    return strchr("#\n", first_of(line)) != NULL; /* the text's end counts, too */
}

/* Gives the name in a header, lower case. */
static char *name_of(const char *header)
{
    const char *start = strchr(header, '[') + 1, *end = start + strcspn(start, "]\n");
    char *name = NULL, *copy;

    start += strspn(start, " \t");
    while (end > start && strchr(" \t", end[-1]) != NULL)
        end--;
    copy = strndup(start, (size_t)(end - start));
    if (copy != NULL)
        name = bearer_text_lower(copy);
    free(copy);
    return name;
}

/* Whether a section stands in the way of another: has its name, or hides it. */
typedef bool section_is(const char *name, const char *wanted);

static bool is_same(const char *name, const char *wanted)
{
    return strcmp(name, wanted) == 0;
}

/* Of patterns the first that matches counts; an exact name comes before all. */
static bool is_hiding(const char *name, const char *wanted)
{
    return bearer_text_is_pattern(name) && bearer_text_is_pattern(wanted) && bearer_text_matches(name, wanted);
}

/* Lends the header of the first section that is so, or NULL. */
static const char *find_section(const char *text, const char *wanted, section_is *is)
{
    char *lower = bearer_text_lower(wanted);
    const char *found = NULL;

    for (const char *line = text; lower != NULL && *line != '\0' && found == NULL; line = next_line(line)) {
        char *name = is_header(line) ? name_of(line) : NULL;

        if (name != NULL && is(name, lower))
            found = line;
        free(name);
    }
    free(lower);
    return found;
}

/* Lends the end of a section's own lines: what remarks come then are about the next. */
static const char *section_end(const char *header)
{
    const char *end = next_line(header);

    for (const char *line = end; *line != '\0' && !is_header(line); line = next_line(line))
        if (!is_remark(line))
            end = next_line(line);
    return end;
}

/* Lends the start of the remarks right above a header, so that they stay with it. */
static const char *remarks_above(const char *text, const char *header)
{
    const char *start = text;

    for (const char *line = text; line < header; line = next_line(line))
        if (!is_remark(line) || first_of(line) == '\n')
            start = next_line(line);
    return start;
}

bool conf_writer_has(const struct conf_writer *writer, const char *pattern)
{
    return find_section(writer->before, pattern, is_same) != NULL;
}

/* ------------------------------------------------------------------ a section's text */

/* What stands in a file must mean there what it means here. */
static enum bearer_status check_value(enum bearer_option_id id, const char *value, struct bearer_error *err)
{
    const char *name = bearer_option_row(id)->name;

    if (*value == '\0')
        return bearer_fail(err, BEARER_USAGE, "%s has no value", name);
    if (bearer_text_has_control(value, strlen(value)))
        return bearer_fail(err, BEARER_USAGE, "%s holds a control character", name);
    if (strchr("#\"' ", *value) != NULL || strstr(value, " #") != NULL || value[strlen(value) - 1] == ' ')
        return bearer_fail(err, BEARER_USAGE,
                           "%s is '%s'; a value cannot begin or end with a blank, begin with a quote or #, or "
                           "hold # after a blank",
                           name, value);
    return bearer_option_check(id, value, err) == BEARER_OK ? BEARER_OK : BEARER_USAGE;
}

static enum bearer_status check_section(const char *pattern, const char *const values[OPT_COUNT], struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;

    if (*pattern == '\0' || strpbrk(pattern, "[] #") != NULL || bearer_text_has_control(pattern, strlen(pattern)))
        return bearer_fail(err, BEARER_USAGE, "'%s' is no name of a section; a section reads [user@domain] or [*@domain]",
                           pattern);
    for (int id = 0; id < OPT_COUNT && st == BEARER_OK; id++)
        if (values[id] != NULL)
            st = check_value((enum bearer_option_id)id, values[id], err);
    return st;
}

static void put_section(FILE *out, const char *pattern, const char *const values[OPT_COUNT])
{
    int width = 0;

    for (int id = 0; id < OPT_COUNT; id++) {
        int length = (int)strlen(bearer_option_row((enum bearer_option_id)id)->name);

        if (values[id] != NULL && length > width)
            width = length;
    }
    fprintf(out, "[%s]\n", pattern);
    for (int id = 0; id < OPT_COUNT; id++) {
        const char *name = bearer_option_row((enum bearer_option_id)id)->name;

        if (values[id] != NULL)
            fprintf(out, "%s:%*s %s\n", name, width - (int)strlen(name), "", values[id]);
    }
}

/* A blank line stands between what is there and what comes. */
static void put_before(FILE *out, const char *text, size_t length)
{
    fwrite(text, 1, length, out);
    if (length > 0 && text[length - 1] != '\n')
        fputc('\n', out);
    if (length > 0 && !(length > 1 && text[length - 1] == '\n' && text[length - 2] == '\n'))
        fputc('\n', out);
}

static void put_text(FILE *out, const char *text, const char *pattern, const char *const values[OPT_COUNT])
{
    const char *same = find_section(text, pattern, is_same), *hiding = find_section(text, pattern, is_hiding);

    if (same != NULL) {
        fwrite(text, 1, (size_t)(same - text), out);
        put_section(out, pattern, values);
        fputs(section_end(same), out);
    } else if (hiding != NULL) {
        const char *place = remarks_above(text, hiding);

        put_before(out, text, (size_t)(place - text));
        put_section(out, pattern, values);
        fprintf(out, "\n%s", place);
    } else {
        put_before(out, text, strlen(text));
        put_section(out, pattern, values);
    }
}

enum bearer_status conf_writer_set(struct conf_writer *writer, const char *pattern, const char *const values[OPT_COUNT],
                                   struct bearer_error *err)
{
    enum bearer_status st = check_section(pattern, values, err);
    char *text = NULL;
    size_t size;
    FILE *out;

    if (st != BEARER_OK)
        return st;
    out = open_memstream(&text, &size);
    if (out != NULL)
        put_text(out, writer->after, pattern, values);
    if (out == NULL || fclose(out) != 0) {
        free(text);
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    }
    bearer_wipe_string(writer->after);
    free(writer->after);
    writer->after = text;
    return BEARER_OK;
}

/* ------------------------------------------------------------------ showing and writing */

static void show_lines(FILE *out, char sign, const char *text, const char *end)
{
    static const char secret[] = "oauth2_client_secret";

    for (const char *line = text; line < end; line = next_line(line)) {
        size_t length = strcspn(line, "\r\n"), blanks = strspn(line, " \t"), colon = strcspn(line, ":\n");
        bool hide = strncasecmp(line + blanks, secret, strlen(secret)) == 0 &&
                    strchr(" \t:", line[blanks + strlen(secret)]) != NULL && line[colon] == ':';

        fprintf(out, "%c %.*s%s\n", sign, (int)(hide ? colon + 1 : length), line, hide ? " ***" : "");
    }
}

/* Lends the start of the line that ends there. */
static const char *last_line(const char *start, const char *end)
{
    const char *line = end - 1;

    while (line > start && line[-1] != '\n')
        line--;
    return line;
}

static bool is_equal(const char *a, const char *a_end, const char *b, const char *b_end)
{
    return a_end - a == b_end - b && memcmp(a, b, (size_t)(a_end - a)) == 0;
}

/* Lines that both begin with, and that both end with, are not shown. */
void conf_writer_show(const struct conf_writer *writer, FILE *out)
{
    const char *old = writer->before, *new = writer->after;
    const char *old_end = old + strlen(old), *new_end = new + strlen(new);

    while (*old != '\0' && is_equal(old, next_line(old), new, next_line(new))) {
        old = next_line(old);
        new = next_line(new);
    }
    while (old_end > old && new_end > new &&is_equal(last_line(old, old_end), old_end, last_line(new, new_end), new_end)) {
        old_end = last_line(old, old_end);
        new_end = last_line(new, new_end);
    }
    fprintf(out, "%s:\n\n", writer->path);
    show_lines(out, '-', old, old_end);
    show_lines(out, '+', new, new_end);
}

enum bearer_status conf_writer_commit(struct conf_writer *writer, char **backup_out, struct bearer_error *err)
{
    const struct whole_file file = {
        .path = writer->path,
        .bytes = writer->after,
        .length = strlen(writer->after),
        .mode = writer->exists ? writer->status.st_mode & 07777 : 0644, /* what is secret stands in files of its own */
        .before = writer->exists ? &writer->status : NULL,
    };
    enum bearer_status st = BEARER_OK;

    *backup_out = NULL;
    if (!writer->exists)
        st = whole_file_make_directory(writer->path, err);
    return st == BEARER_OK ? whole_file_write(&file, backup_out, err) : st;
}
