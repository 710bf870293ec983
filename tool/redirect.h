/* redirect.h - where a sign-in by browser ends: the redirect URI, and the answer that comes back to it. */
#ifndef TOOL_REDIRECT_H
#define TOOL_REDIRECT_H

#include <stdbool.h>
#include <stddef.h>

/* A redirect URI on this machine (RFC 8252 section 7.3), taken apart. */
struct redirect {
    const char *host; /* "localhost", "127.0.0.1" or "[::1]": what a browser calls us */
    unsigned port;    /* 0 = any that is free */
    char path[257];   /* as in the URI: empty, or from its slash on */
};

/* Takes a redirect URI apart.  False: it is none that this machine could listen to. */
bool redirect_parse(const char *uri, struct redirect *redirect_out);

/* Writes it, with its port.  False: there is no room. */
bool redirect_write(const struct redirect *redirect, char *out, size_t size);

/* Whether a browser that was sent there comes with this Host header; NULL = it has none.  Names of elsewhere that lead to
 * this machine (DNS rebinding) are none of ours. */
bool redirect_has_host(const struct redirect *redirect, const char *host);

/* Whether a request's target, "/path?query", has this path. */
bool redirect_has_path(const struct redirect *redirect, const char *target);

/* Lends the query of an address, or of a request's target: what is behind the first `?`, as it came; "" if there is none. */
const char *redirect_query(const char *address);

enum redirect_state {
    REDIRECT_STATE_NONE,  /* it has no state */
    REDIRECT_STATE_OTHER, /* of another sign-in, or more than one */
    REDIRECT_STATE_RIGHT
};

/* Whether parameters, "name=value&...", carry this state. */
enum redirect_state redirect_state(const char *parameters, const char *state);

#endif
