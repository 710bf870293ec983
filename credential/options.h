/* options.h - the options of sasl.conf(5): one row each, and everything reads the rows. */
#ifndef BEARER_OPTIONS_H
#define BEARER_OPTIONS_H

#include "credential/error.h"

#include <stdint.h>

enum bearer_option_id {
    OPT_PROVIDER,
    OPT_SERVICE,
    OPT_CLOUD,
    OPT_TENANT,
    OPT_CLIENT_ID,
    OPT_SCOPE,
    OPT_TOKEN_ENDPOINT,
    OPT_DEVICE_ENDPOINT,
    OPT_SERVERS,
    OPT_CLIENT_SECRET,
    OPT_CLIENT_SECRET_FILE,
    OPT_IDENTITY,
    OPT_TOKEN_STORE,
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
    OPT_TYPE_PATH,    /* absolute */
    OPT_TYPE_SECRET,  /* text that never leaves */
};

/* Options of a group belong together: see bearer_config_value(). */
enum bearer_option_group { OPT_GROUP_NONE, OPT_GROUP_SERVICE, OPT_GROUP_CREDENTIAL };

#define OPT_TOP_ONLY  0x01 /* only above the first section, and only in the system's file */
#define OPT_COMPLETES 0x02 /* may also come from the program's own SASL options */

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

/* Whether a URL may be talked to: https to anyone, http only to this machine's loopback names, no user information. */
enum bearer_status bearer_url_check(const char *url, struct bearer_error *err);

#endif
