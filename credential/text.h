/* text.h - small questions about names and texts, answered the same whatever the host's locale. */
#ifndef BEARER_TEXT_H
#define BEARER_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Changes a text to ASCII lower case. */
void bearer_text_to_lower(char *text);

/* Gives a copy in ASCII lower case, or NULL without memory.  Free it. */
char *bearer_text_lower(const char *text);

/* Gives these texts, up to a NULL, one behind the other, or NULL without memory.  Free it.  For what every program that
 * initialises libsasl2 runs: the first use of printf costs as much as reading sasl.conf. */
char *bearer_text_join(const char *first, ...) __attribute__((sentinel));

/* Gives a printf'd string, or NULL without memory.  Free it. */
char *bearer_text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether any of the length bytes is a control character (0x00-0x1F, 0x7F). */
bool bearer_text_has_control(const char *text, size_t length);

/* Makes length bytes from elsewhere fit to be logged: control and non-ASCII bytes become `?`, the rest is cut to size. */
void bearer_text_printable(char *out, size_t size, const char *text, size_t length);

/* Whether a name matches a pattern in which `*` stands for any run of characters and `?` for one.  Both in lower case. */
bool bearer_text_matches(const char *pattern, const char *name);

/* Whether a pattern contains `*` or `?`. */
bool bearer_text_is_pattern(const char *text);

/* Whether a server's name is among the blank-separated host patterns of oauth2_servers: ASCII case is ignored, one trailing
 * dot stripped; `*` matches one or more whole labels, and IP addresses and localhost never; host NULL or "" (a tunnel)
 * matches only a pattern that is just `*`. */
bool bearer_text_host_in(const char *patterns, const char *host);

/* The number of insertions, deletions and replacements between two words; words over 63 bytes count as far apart. */
size_t bearer_text_distance(const char *a, const char *b);

/* Whether a word is among blank-separated words. */
bool bearer_text_has_word(const char *words, const char *word);

/* Walks over blank-separated words: gives the next one's start and length, advances *cursor.  False at the end. */
bool bearer_text_word(const char **cursor, const char **word, size_t *length);

#endif
