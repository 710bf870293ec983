/* provider.h - the interface between sasl-bearer and whoever can get a token: a credential provider.
 *
 * This header is installed and is all that a provider needs.  A provider NAME is a shared object
 * $(pkglibdir)/providers/NAME.so that defines one symbol, `bearer_provider`.  It is loaded when an account first needs a
 * token, stays loaded until the process ends, and outlives the code that called it: it keeps no pointer it was lent,
 * and it calls nothing but the functions of the request in hand.
 *
 * The caller does everything else: caching, storing, locking, retrying later, backing off, checking sizes and characters.
 * All strings are NUL-terminated UTF-8 and lent for the duration of the call.  Times are in the unit their name says.
 */
#ifndef SASL_BEARER_PROVIDER_H
#define SASL_BEARER_PROVIDER_H

#include <stddef.h>
#include <stdint.h>

/* Grows by one when something below changes its meaning.  A provider built for another number is refused by name. */
#define BEARER_PROVIDER_ABI 1

/* How something ended.  A status says who must act; the text that goes with it says what happened. */
enum bearer_status {
    BEARER_OK = 0,
    BEARER_LATER,      /* nobody: it passes (network, outage, throttling, anything doubtful) */
    BEARER_SIGN_IN,    /* the user: sign in again */
    BEARER_REFUSED,    /* whoever registered the application or runs the tenant */
    BEARER_CONFIG,     /* the administrator of this machine: sasl.conf or a file it names */
    BEARER_NO_ACCOUNT, /* nobody configured this user, or this server, for OAuth */
    BEARER_PEER,       /* the server's people: it broke protocol */
    BEARER_LOCAL,      /* this machine: disk, permissions, descriptors */
    BEARER_USAGE,      /* whoever called: a bad argument */
    BEARER_NOMEM,      /* this machine: out of memory */
    BEARER_BUG,        /* us */
    BEARER_STATUS_COUNT
};

/* One option of the account, by its name in sasl.conf(5).  What sasl.conf only refers to, the caller has read:
 *
 *     in sasl.conf                                     arrives as
 *     oauth2_client_secret, ..._file, ..._command      oauth2_client_secret
 *     oauth2_client_key_passphrase_file                oauth2_client_key_passphrase
 *     oauth2_federated_token_file                      oauth2_federated_token
 *     oauth2_token_file, oauth2_token_command          oauth2_token, all that is in the file or was printed
 *     oauth2_client_certificate, oauth2_client_key     the same name; value is the file's name or a URI such as pkcs11:...,
 *                                                      content what is in the file, NULL for a URI
 */
struct bearer_option {
    const char *name;
    const char *value;
    const void *content; /* of the file that value names; NULL = it names none, or the provider has no use for it */
    size_t content_length; /* bytes */
};

/* What a successful request brought.  Everything is copied before grant() returns; wipe your own copy after. */
struct bearer_grant {
    const char *access_token;  /* RFC 6750 b64token; NULL = only a refresh token came, and fail() follows */
    int64_t lifetime;          /* seconds from now, 0 = not told */
    int64_t refresh_in;        /* seconds from now after which an early renewal is welcome, 0 = not told */
    const char *refresh_token; /* NULL = none came: the one in hand stays good (RFC 6749 section 6) */
    const char *user;          /* who signed in, NULL = not told */
    int64_t credential_expires; /* seconds since the epoch when the credential that was used ends, 0 = not known */
};

/* Why there is none.  Never put a secret into either text. */
struct bearer_failure {
    enum bearer_status status;
    const char *cause;   /* one word for machines, such as AADSTS7000215 or invalid_grant; NULL = the status' name */
    int64_t retry_after; /* seconds the server asked us to stay away, 0 = not told */
    const char *text;    /* a sentence for people, with the remedy; no full stop at its end */
};

enum bearer_log_level { BEARER_LOG_ERROR, BEARER_LOG_WARNING, BEARER_LOG_NOTE };

/* How a person takes part in a sign-in.  All functions return 0 to go on; anything else ends the sign-in. */
struct bearer_ceremony {
    void *context;
    /* Show where to go and what to type there (RFC 8628 section 3.3).  message may be NULL. */
    int (*show)(void *context, const char *uri, const char *code, const char *message, int64_t expires_in);
    /* Wait that long. */
    int (*wait)(void *context, int64_t milliseconds);

    /* By browser (RFC 8252); NULL = by show and wait.  listen: be ready for the answer that carries this state; the redirect URI
     * to send goes to redirect_uri.  browse: have the person open the URL, wait for that answer, and give its parameters as they
     * came, "code=...&state=..."; wipe and free them. */
    int (*listen)(void *context, const char *state, char *redirect_uri, size_t size);
    int (*browse)(void *context, const char *url, char **parameters_out);
};

struct bearer_request {
    unsigned abi;                        /* BEARER_PROVIDER_ABI of the caller */
    const char *identity;                /* who signs in, lower case; for one-for-all providers the section's name */
    const struct bearer_option *options; /* ended by a row whose name is NULL */
    const char *refresh_token;           /* the one in hand, or NULL */
    const char *password;                /* what the program has as password; only with BEARER_WANTS_PASSWORD */
    const char *ca_pem;                  /* trust these certificates (PEM) and no others; NULL = see ca_file */
    size_t ca_pem_length;
    const char *ca_file;                 /* the same as a file; NULL = the system's */
    int64_t deadline;                    /* milliseconds of CLOCK_MONOTONIC by which to be back */
    int identify;                        /* somebody is signing in: find out who, if that is possible */

    void *context;                       /* for the functions below */
    void (*grant)(void *context, const struct bearer_grant *grant);
    void (*fail)(void *context, const struct bearer_failure *failure);
    void (*log)(void *context, enum bearer_log_level level, const char *text);
};

/* Properties of a provider. */
#define BEARER_PER_IDENTITY   0x01 /* every identity has a token of its own; else the section has one for all */
#define BEARER_REPEATABLE     0x02 /* asking twice at once harms nothing (false where a grant is used up by asking) */
#define BEARER_WANTS_PASSWORD 0x04 /* needs what the program has as password; such tokens are never stored */

struct bearer_provider {
    unsigned abi;        /* BEARER_PROVIDER_ABI */
    const char *name;    /* as in oauth2_provider */
    const char *summary; /* half a line for people */
    unsigned flags;

    /* Do now what cannot be done in a chroot jail: read files, initialise libraries.  May be NULL.  Called only in programs named
     * in oauth2_jailed_programs, each time they initialise libsasl2. */
    enum bearer_status (*prepare)(void);

    /* Get a token.  Returns BEARER_OK after exactly one call of request->grant, or the status given to exactly one call of
     * request->fail.  Must be safe to call from several threads at once. */
    enum bearer_status (*fetch)(const struct bearer_request *request);

    /* Have a person sign in.  Returns as fetch does.  May be NULL. */
    enum bearer_status (*sign_in)(const struct bearer_request *request, const struct bearer_ceremony *ceremony);
};

/* What a provider's shared object defines. */
extern const struct bearer_provider bearer_provider __attribute__((visibility("default")));

#endif
