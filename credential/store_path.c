/* store_path.c - where token files are and what they are called.  See store.h */
#include "credential/store.h"
#include "credential/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX ".token"

/* User names never become paths unencoded: no '/', no leading '.', nothing a shell would see. */
static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c != '\0' && strchr("@._+", c) != NULL);
}

static char *encode(const char *text)
{
    char *encoded = malloc(strlen(text) * 3 + 1), *out = encoded;

    if (encoded == NULL)
        return NULL;
    for (; *text != '\0'; text++) {
        if (is_plain(*text))
            *out++ = *text;
        else
            out += sprintf(out, "%%%02X", (unsigned char)*text);
    }
    *out = '\0';
    return encoded;
}

static int hex_digit(char c)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;

    return found != NULL ? (int)(found - digits) : -1;
}

/* The byte that "%XX" stands for, or -1; none is NUL. */
static int decode_byte(const char *text, size_t length)
{
    int high = length > 2 ? hex_digit(text[1]) : -1, low = length > 2 ? hex_digit(text[2]) : -1;

    return high >= 0 && low >= 0 && (high | low) != 0 ? high << 4 | low : -1;
}

static char *decode(const char *text, size_t length)
{
    char *decoded = malloc(length + 1), *out = decoded;

    for (size_t i = 0; decoded != NULL && i < length; i++) {
        int byte = text[i] == '%' ? decode_byte(text + i, length - i) : (unsigned char)text[i];

        if (byte < 0) {
            free(decoded);
            return NULL;
        }
        *out++ = (char)byte;
        i += text[i] == '%' ? 2 : 0;
    }
    if (decoded != NULL)
        *out = '\0';
    return decoded;
}

char *bearer_store_path(const char *directory, const char *provider, const char *key)
{
    char *first = encode(provider), *second = encode(key), *path = NULL;

    if (first != NULL && second != NULL)
        path = bearer_text_join(directory, "/", first, "-", second, SUFFIX, NULL);
    free(first);
    free(second);
    return path;
}

bool bearer_store_parse_name(const char *name, char **provider_out, char **key_out)
{
    size_t length = strlen(name), suffix = strlen(SUFFIX);
    const char *dash = strchr(name, '-');

    *provider_out = *key_out = NULL;
    if (dash == NULL || length < suffix || strcmp(name + length - suffix, SUFFIX) != 0 ||
        dash + 1 >= name + length - suffix)
        return false;
    *provider_out = decode(name, (size_t)(dash - name));
    *key_out = decode(dash + 1, length - suffix - (size_t)(dash + 1 - name));
    if (*provider_out != NULL && *key_out != NULL)
        return true;
    free(*provider_out);
    free(*key_out);
    *provider_out = *key_out = NULL;
    return false;
}

enum bearer_status bearer_store_make_directory(const char *path, struct bearer_error *err)
{
    char *copy = strdup(path);
    enum bearer_status st = BEARER_OK;

    if (copy == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    for (size_t length = strlen(copy); length > 1 && copy[length - 1] == '/'; length--)
        copy[length - 1] = '\0';
    for (char *slash = copy; st == BEARER_OK && slash != NULL;) {
        slash = strchr(slash + 1, '/');
        if (slash != NULL)
            *slash = '\0';
        if (mkdir(copy, slash != NULL ? 0755 : 0700) != 0 && errno != EEXIST)
            st = bearer_fail(err, BEARER_LOCAL, "cannot make directory '%s': %m", copy);
        if (slash != NULL)
            *slash = '/';
    }
    free(copy);
    return st;
}
