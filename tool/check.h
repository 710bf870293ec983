/* check.h - the doctor: `sasl-bearer check` looks at one thing after the other, a file each, and says what it found.
 *
 * Each area is a function that looks and says; what it finds wrong ends nothing, the next one looks all the same.  It asks,
 * it reads, it never changes anything. */
#ifndef TOOL_CHECK_H
#define TOOL_CHECK_H

#include "tool/check_report.h"
#include "tool/command.h"

#include <jansson.h>

enum check_result {
    CHECK_OK,
    CHECK_SKIPPED, /* could not be looked at, and why */
    CHECK_WARNING, /* works today, or perhaps not for this */
    CHECK_PROBLEM, /* does not work */
    CHECK_RESULT_COUNT
};

struct check {
    struct bearer_context *context;
    const struct arguments *arguments;
    const char *user;             /* as typed, or NULL: everything that concerns no one in particular */
    struct bearer_holder *holder; /* of that user, or NULL: there is none, which was said */
    struct report *report;        /* --report: what must not be shown; NULL = everything may be.  See report_hide() */

    /* What one area leaves to those behind it. */
    bool postfix_logs_in;  /* it is set up to */
    bool files_amiss;      /* what sasl.conf names cannot be used, which was said */
    bool network_amiss;    /* no token comes from there: no authority, or no tenant; which was said */
    const char *tokenless; /* what to do first, for there is no token, which was said; NULL = there may be one */

    /* For check.c alone. */
    json_t *list; /* NULL = for people */
    unsigned counts[CHECK_RESULT_COUNT];
    bool colour;
    char area[32]; /* that was printed last */
};

/* Says one thing.  area: what was looked at, a word or two that scripts may rely on; remedy: what to do, a sentence without
 * a full stop, NULL where there is nothing to do. */
void check_say(struct check *check, enum check_result result, const char *area, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The same with a remedy that names things; NULL = none.  It is freed. */
void check_say_remedy(struct check *check, enum check_result result, const char *area, char *remedy, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* Says why somebody has no token: what an identity provider's number means, who acts, and what to do.  status and text:
 * the error's; before: what the text begins with. */
void check_say_refusal(struct check *check, enum check_result result, const char *area, const char *name,
                       enum bearer_status status, const char *text, const char *before);

/* Says that this user may not see something; root may.  check_is_unseen(): whether it is that which errno tells of. */
void check_say_unseen(struct check *check, const char *area, const char *format, ...) __attribute__((format(printf, 3, 4)));
bool check_is_unseen(int error);

/* Calls look() for the account that is asked about, or for every account that sasl.conf and the stores know of and that can
 * be used.  What cannot be used is check_account()'s to tell. */
typedef void check_look(struct check *check, struct bearer_holder *holder, const char *name, void *data);
void check_each(struct check *check, check_look *look, void *data);

/* Begins a report: makes check->report, and says which versions these are.  False, and nothing may be shown, without memory
 * for what must be hidden. */
bool check_report_begin(struct check *check);

/* The areas, in the order in which they are looked at. */
void check_configuration(struct check *check); /* which sasl.conf, hidden sections, who may write them */
void check_account(struct check *check);       /* each value's origin, the files and commands that are named */
void check_store(struct check *check);         /* token files, their file system, what a jailed process could open */
void check_plugin(struct check *check);        /* found, loaded by libsasl2, registered; others with our names; modules */
void check_postfix(struct check *check);       /* if it is installed: its settings, its jail, its environment */
void check_renewer(struct check *check);       /* the timer, the credential's end */
void check_network(struct check *check);       /* CA bundle, clock, proxy, the authority, the tenant */
void check_token(struct check *check);         /* a token, and what it says of itself */
void check_logins(struct check *check);        /* real logins, as the host would make them */

#endif
