/* options.h - the options of sasl.conf(5): one row each, and everything reads the rows. */
#ifndef BEARER_OPTIONS_H
#define BEARER_OPTIONS_H

#include "credential/error.h"

#include <stdbool.h>
#include <stdint.h>

enum bearer_option_id {
    OPT_PROVIDER,
    OPT_SERVICE,
    OPT_CLOUD,
    OPT_TENANT,
    OPT_CLIENT_ID,
    OPT_SCOPE,
    OPT_TOKEN_ENDPOINT,
    OPT_AUTHORIZATION_ENDPOINT,
    OPT_DEVICE_ENDPOINT,
    OPT_REDIRECT_URI,
    OPT_SERVERS,
    OPT_CLIENT_SECRET,
    OPT_CLIENT_SECRET_FILE,
    OPT_CLIENT_SECRET_COMMAND,
    OPT_CLIENT_SECRET_EXPIRES,
    OPT_CLIENT_CERTIFICATE,
    OPT_CLIENT_KEY,
    OPT_CLIENT_KEY_PASSPHRASE_FILE,
    OPT_CLIENT_ASSERTION_ALG,
    OPT_FEDERATED_TOKEN_FILE,
    OPT_MANAGED_IDENTITY,
    OPT_IDENTITY,
    OPT_TOKEN_STORE,
    OPT_TOKEN_COMMAND,
    OPT_TOKEN_FILE,
    OPT_MIN_LIFETIME,
    OPT_TIMEOUT,
    OPT_CA_FILE,
    OPT_PROXY,
    OPT_JAILED_PROGRAMS,
    OPT_COUNT
};

enum bearer_option_type {
    OPT_TYPE_TEXT,    /* anything */
    OPT_TYPE_WORD,    /* no blanks */
    OPT_TYPE_CHOICE,  /* one of the words in choices */
    OPT_TYPE_URL,     /* https://, or http:// to this machine */
    OPT_TYPE_PROXY,   /* http:// or https://; what goes through it is encrypted anyway */
    OPT_TYPE_SECONDS, /* a whole number between minimum and maximum */
    OPT_TYPE_DATE,    /* YYYY-MM-DD */
    OPT_TYPE_PATH,    /* absolute */
    OPT_TYPE_FILE,    /* an absolute path, or credential:NAME (systemd.exec(5), LoadCredential=) */
    OPT_TYPE_KEY,     /* the same, or a URI that OpenSSL's stores know, such as pkcs11:... */
    OPT_TYPE_COMMAND, /* a program's absolute path and its arguments, separated by blanks; no shell */
    OPT_TYPE_SECRET,  /* text that never leaves */
};

/* Options of a group belong together: see account.h. */
enum bearer_option_group { OPT_GROUP_NONE, OPT_GROUP_SERVICE, OPT_GROUP_CREDENTIAL };

#define OPT_TOP_ONLY  0x01 /* only above the first section, and only in the system's file */
#define OPT_COMPLETES 0x02 /* may also come from the program's own SASL options */
#define OPT_OWN_LEVEL 0x04 /* a user's section does not inherit it from the system's file */

#define OPT_CREDENTIAL_PREFIX "credential:" /* what follows names a file in $CREDENTIALS_DIRECTORY */

struct bearer_option_row {
    const char *name;
    enum bearer_option_type type;
    enum bearer_option_group group;
    unsigned flags;
    const char *fallback;    /* NULL = none, or it depends on the service */
    const char *choices;     /* OPT_TYPE_CHOICE: separated by blanks; a word that ends in ':' takes a name after it */
    int64_t minimum, maximum; /* OPT_TYPE_SECONDS */
    const char *environment; /* a variable that completes an account, or NULL */
    const char *summary;     /* for the manual and for help */
};

/* Lends the row of an option. */
const struct bearer_option_row *bearer_option_row(enum bearer_option_id id);

/* The option of that name, or OPT_COUNT; then *nearest_out lends the most similar name, or NULL if none is similar. */
enum bearer_option_id bearer_option_find(const char *name, const char **nearest_out);

/* Whether a value is good for an option.  BEARER_CONFIG: no; the text says what is expected and never shows a secret. */
enum bearer_status bearer_option_check(enum bearer_option_id id, const char *value, struct bearer_error *err);

/* Whether a value of OPT_TYPE_KEY is a URI, not a file. */
bool bearer_option_is_uri(const char *value);

/* Gives midnight UTC of a date YYYY-MM-DD in seconds since the epoch; 0 if it is none. */
int64_t bearer_date_parse(const char *date);

/* Whether a URL may be talked to: https to anyone, http only to this machine's loopback names and to Azure's metadata service,
 * no user information. */
enum bearer_status bearer_url_check(const char *url, struct bearer_error *err);

#endif
