/* redirect.c - see redirect.h */
#include "tool/redirect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SCHEME      "http://"
#define PORT_MAX    65535
#define PORT_UNSAID 80 /* what http means where no port is said */

/* Reads ":PORT" at the start of a text, if it is there.  NULL: it is none. */
static const char *parse_port(const char *text, unsigned *port_out)
{
    size_t digits;

    *port_out = 0;
    if (*text != ':')
        return text;
    digits = strspn(++text, "0123456789");
    if (digits == 0 || digits > 5)
        return NULL;
    *port_out = (unsigned)strtoul(text, NULL, 10);
    return *port_out > 0 && *port_out <= PORT_MAX ? text + digits : NULL;
}

bool redirect_parse(const char *uri, struct redirect *redirect_out)
{
    static const char *const hosts[] = { "localhost", "127.0.0.1", "[::1]" };
    const char *rest = NULL;

    if (strncmp(uri, SCHEME, strlen(SCHEME)) != 0)
        return false;
    uri += strlen(SCHEME);
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0] && rest == NULL; i++) {
        redirect_out->host = hosts[i];
        if (strncmp(uri, hosts[i], strlen(hosts[i])) == 0)
            rest = uri + strlen(hosts[i]);
    }
    if (rest == NULL || (rest = parse_port(rest, &redirect_out->port)) == NULL)
        return false;
    if ((*rest != '\0' && *rest != '/') || strpbrk(rest, "?#") != NULL || strlen(rest) >= sizeof redirect_out->path)
        return false;
    strcpy(redirect_out->path, rest);
    return true;
}

bool redirect_write(const struct redirect *redirect, char *out, size_t size)
{
    int length = snprintf(out, size, SCHEME "%s:%u%s", redirect->host, redirect->port, redirect->path);

    return length > 0 && (size_t)length < size;
}

bool redirect_has_host(const struct redirect *redirect, const char *host)
{
    size_t length = strlen(redirect->host);
    unsigned port;
    const char *rest;

    if (host == NULL || strncasecmp(host, redirect->host, length) != 0)
        return false;
    rest = parse_port(host + length, &port);
    return rest != NULL && *rest == '\0' && (port != 0 ? port : PORT_UNSAID) == redirect->port;
}

bool redirect_has_path(const struct redirect *redirect, const char *target)
{
    const char *path = redirect->path[0] != '\0' ? redirect->path : "/";
    size_t length = strcspn(target, "?");

    return length == strlen(path) && memcmp(target, path, length) == 0;
}

const char *redirect_query(const char *address)
{
    const char *mark = strchr(address, '?');

    return mark != NULL ? mark + 1 : "";
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Takes the next byte of a url-encoded value.  The caller knows that *text is before its end. */
static char next_byte(const char **text, const char *end)
{
    const char *at = *text;
    int high, low;

    if (*at == '%' && end - at > 2 && (high = hex_digit(at[1])) >= 0 && (low = hex_digit(at[2])) >= 0) {
        *text += 3;
        return (char)(high * 16 + low);
    }
    *text += 1;
    return *at;
}

/* Whether a url-encoded value is that text; takes as long wherever they differ. */
static bool is_same(const char *value, const char *end, const char *text)
{
    size_t length = strlen(text), i = 0;
    unsigned char difference = 0;

    for (; value < end; i++) {
        char byte = next_byte(&value, end);

        difference |= (unsigned char)(byte ^ text[i < length ? i : length]);
    }
    return i == length && difference == 0;
}

enum redirect_state redirect_state(const char *parameters, const char *state)
{
    static const char name[] = "state=";
    enum redirect_state found = REDIRECT_STATE_NONE;

    while (*parameters != '\0') {
        const char *end = parameters + strcspn(parameters, "&");

        if (strncmp(parameters, name, strlen(name)) == 0)
            found = found == REDIRECT_STATE_NONE && is_same(parameters + strlen(name), end, state) ? REDIRECT_STATE_RIGHT
                                                                                                   : REDIRECT_STATE_OTHER;
        parameters = *end == '&' ? end + 1 : end;
    }
    return found;
}
