/* text.c - see text.h.  No <ctype.h>: its answers depend on the host's locale. */
#include "credential/text.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX 254 /* a DNS name has at most 253 bytes, and a NUL */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_control(char c)
{
    return (unsigned char)c < 0x20 || c == 0x7f;
}

void bearer_text_to_lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = lower(*text);
}

char *bearer_text_lower(const char *text)
{
    char *copy = strdup(text);

    if (copy != NULL)
        bearer_text_to_lower(copy);
    return copy;
}

char *bearer_text_join(const char *first, ...)
{
    va_list parts;
    size_t length = 0;
    char *text, *end;

    va_start(parts, first);
    for (const char *part = first; part != NULL; part = va_arg(parts, const char *))
        length += strlen(part);
    va_end(parts);
    text = end = malloc(length + 1);
    if (text == NULL)
        return NULL;
    *end = '\0';
    va_start(parts, first);
    for (const char *part = first; part != NULL; part = va_arg(parts, const char *))
        end = stpcpy(end, part);
    va_end(parts);
    return text;
}

char *bearer_text_format(const char *format, ...)
{
    va_list arguments;
    char *text;
    int length;

    va_start(arguments, format);
    length = vasprintf(&text, format, arguments);
    va_end(arguments);
    return length < 0 ? NULL : text;
}

/* As many bytes as every processor that matters compares at once. */
typedef unsigned char block __attribute__((vector_size(16)));

/* By blocks and without a branch, for tokens are long and every login asks. */
bool bearer_text_has_control(const char *text, size_t length)
{
    block found = { 0 }, bytes;
    unsigned any = 0;
    size_t i = 0;

    for (; i + sizeof bytes <= length; i += sizeof bytes) {
        memcpy(&bytes, text + i, sizeof bytes);
        found |= (block)(bytes < 0x20) | (block)(bytes == 0x7f);
    }
    for (size_t k = 0; k < sizeof found; k++)
        any |= found[k];
    for (; i < length; i++)
        any |= is_control(text[i]);
    return any != 0;
}

void bearer_text_printable(char *out, size_t size, const char *text, size_t length)
{
    size_t i;

    if (size == 0)
        return;
    for (i = 0; i < length && i < size - 1; i++)
        out[i] = is_control(text[i]) || (unsigned char)text[i] >= 0x80 ? '?' : text[i];
    out[i] = '\0';
}

bool bearer_text_is_pattern(const char *text)
{
    return strpbrk(text, "*?") != NULL;
}

/* Greedy with one point to come back to: linear in practice, never exponential. */
bool bearer_text_matches(const char *pattern, const char *name)
{
    const char *star = NULL, *retry = NULL;

    while (*name != '\0') {
        if (*pattern == '*') {
            star = pattern++;
            retry = name;
        } else if (*pattern == '?' || *pattern == *name) {
            pattern++;
            name++;
        } else if (star != NULL) {
            pattern = star + 1;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}

/* Anything that connects to an address without asking DNS, such as 127.1 and 2130706433. */
static bool is_address(const char *host)
{
    struct in_addr address;

    return strchr(host, ':') != NULL || inet_aton(host, &address) != 0;
}

/* Letters, digits, hyphens, dots, and the underscore that some hosts have. */
static bool is_host_name(const char *host)
{
    return host[strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-._")] == '\0';
}

static bool is_localhost(const char *host)
{
    size_t length = strlen(host);

    return strcmp(host, "localhost") == 0 || (length > 10 && strcmp(host + length - 10, ".localhost") == 0);
}

/* Both in lower case, no trailing dots.  `*` stands for one or more labels, compared label by label. */
static bool labels_match(const char *pattern, const char *host)
{
    size_t p = strcspn(pattern, "."), h = strcspn(host, ".");

    if (h == 0)
        return false;
    if (p == 1 && *pattern == '*') {
        for (const char *rest = host + h;; rest += 1 + strcspn(rest + 1, ".")) {
            if (pattern[1] == '\0' && *rest == '\0')
                return true;
            if (*rest == '\0')
                return false;
            if (pattern[1] == '.' && labels_match(pattern + 2, rest + 1))
                return true;
        }
    }
    if (p != h || memcmp(pattern, host, p) != 0)
        return false;
    if (pattern[p] == '\0' || host[h] == '\0')
        return pattern[p] == host[h];
    return labels_match(pattern + p + 1, host + h + 1);
}

/* Copies into name in lower case without one trailing dot; false if it does not fit. */
static bool host_normalise(char name[HOST_MAX], const char *host, size_t length)
{
    if (length > 0 && host[length - 1] == '.')
        length--;
    if (length >= HOST_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        name[i] = lower(host[i]);
    name[length] = '\0';
    return true;
}

bool bearer_text_host_in(const char *patterns, const char *host)
{
    char name[HOST_MAX] = "", pattern[HOST_MAX];
    const char *word;
    size_t length;

    if (host != NULL && !host_normalise(name, host, strlen(host)))
        return false;
    while (bearer_text_word(&patterns, &word, &length)) {
        if (!host_normalise(pattern, word, length))
            continue;
        if (name[0] == '\0') {
            if (strcmp(pattern, "*") == 0)
                return true;
        } else if (strcmp(pattern, name) == 0) {
            return true;
        } else if (!is_address(name) && !is_localhost(name) && is_host_name(name) && labels_match(pattern, name)) {
            return true;
        }
    }
    return false;
}

size_t bearer_text_distance(const char *a, const char *b)
{
    enum { FAR = 64 };
    size_t rows[2][FAR];
    size_t la = strlen(a), lb = strlen(b);

    if (la >= FAR || lb >= FAR)
        return FAR;
    for (size_t j = 0; j <= lb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= la; i++) {
        size_t *previous = rows[(i - 1) % 2], *current = rows[i % 2];

        current[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t best = previous[j - 1] + (a[i - 1] != b[j - 1]);

            if (previous[j] + 1 < best)
                best = previous[j] + 1;
            if (current[j - 1] + 1 < best)
                best = current[j - 1] + 1;
            current[j] = best;
        }
    }
    return rows[la % 2][lb];
}

bool bearer_text_word(const char **cursor, const char **word, size_t *length)
{
    *word = *cursor + strspn(*cursor, " \t");
    *length = strcspn(*word, " \t");
    *cursor = *word + *length;
    return *length > 0;
}

bool bearer_text_has_word(const char *words, const char *word)
{
    const char *found;
    size_t length;

    while (bearer_text_word(&words, &found, &length))
        if (strlen(word) == length && memcmp(found, word, length) == 0)
            return true;
    return false;
}
