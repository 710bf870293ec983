/* config.h - sasl.conf: which files, what stands in them, and where.
 *
 * A configuration is read once and never changes.  A mistake does not make it unreadable: it is kept, with file and line,
 * and is the answer to whoever asks for an account it concerns (see account.h).
 */
#ifndef BEARER_CONFIG_H
#define BEARER_CONFIG_H

#include "credential/error.h"
#include "credential/options.h"

#include <stdbool.h>

enum bearer_level { BEARER_LEVEL_USER, BEARER_LEVEL_SYSTEM, BEARER_LEVEL_COUNT };

struct bearer_config_file {
    struct bearer_config_file *next;
    char *path;
    char *error; /* a mistake that concerns everything in it, or NULL */
};

struct bearer_config_value {
    char *text; /* NULL = not set */
    const struct bearer_config_file *file;
    unsigned line;
};

struct bearer_section {
    struct bearer_section *next;
    char *pattern; /* lower case; NULL = the top of the level's files */
    const struct bearer_config_file *file;
    unsigned line;
    enum bearer_level level;
    char *error; /* the first mistake in this section, or at the tops of all files, or NULL */
    struct bearer_config_value values[OPT_COUNT];
};

struct bearer_config {
    struct {
        struct bearer_config_file *files; /* in reading order */
        struct bearer_section *sections;  /* in file order */
        struct bearer_section top;
    } levels[BEARER_LEVEL_COUNT];
};

/* Where to look.  Directories that do not exist and files that are absent are passed over. */
struct bearer_config_places {
    const char *system_path;    /* directories separated by ':'; the first that holds sasl.conf counts; NULL = none */
    const char *user_directory; /* directory of the user's sasl.conf; NULL = none */
    const char *file;           /* read only this one, at level file_level; it must exist; else NULL */
    enum bearer_level file_level;
};

/* Gives a configuration, empty if there are no files.  BEARER_NOMEM is the only failure. */
enum bearer_status bearer_config_load(const struct bearer_config_places *places, struct bearer_config **config_out,
                                      struct bearer_error *err);
void bearer_config_free(struct bearer_config **config);

/* Lends the file of that level that has a mistake concerning all of it, or NULL. */
const struct bearer_config_file *bearer_config_broken_file(const struct bearer_config *config, enum bearer_level level);

/* Whether there is anything at all: a section, a value at the top, or a mistake. */
bool bearer_config_is_empty(const struct bearer_config *config);

#endif
