/* setup_plan.h - what somebody wants of `sasl-bearer setup`: from the command line, else asked on the terminal. */
#ifndef TOOL_SETUP_PLAN_H
#define TOOL_SETUP_PLAN_H

#include "credential/secret.h"
#include "tool/command.h"

#define SETUP_SECRET_MAX 1024 /* bytes; Entra's have about 40 */

struct setup_plan {
    const struct arguments *arguments;
    const char *file; /* the sasl.conf that is to be changed */
    enum bearer_level level;

    bool app_only;
    char *section;                     /* whose: a user name or a pattern */
    char *values[OPT_COUNT];           /* what stands in it; NULL = not set */
    bool makes_certificate;            /* to be made at values[OPT_CLIENT_CERTIFICATE] */
    char *object_id;                   /* the application's, under Enterprise applications; NULL = not known */
    bool told;                         /* the steps of the registration were shown */
    struct bearer_secret secret;       /* to be written to values[OPT_CLIENT_SECRET_FILE]; empty = it is there */
    char *mailboxes[ARG_LIST_MAX + 1]; /* an application's; or shared ones, which the section's person opens */
    unsigned mailbox_count;
};

/* Fills the plan in; arguments, file and level are set.  setup_plan_clear() it in any case.
 * BEARER_USAGE: a value is bad, or missing where nobody can be asked, or whoever was asked gave up. */
enum bearer_status setup_plan_make(struct setup_plan *plan, struct bearer_error *err);
void setup_plan_clear(struct setup_plan *plan);

/* Adds the mailboxes of the command line, the user name among them if it is one of an application's.  The same errors. */
enum bearer_status setup_plan_take_mailboxes(struct setup_plan *plan, struct bearer_error *err);

/* Whether the values on the command line are good.  The same errors. */
enum bearer_status setup_plan_check_values(const struct arguments *arguments, struct bearer_error *err);

/* Whether somebody agrees; without asking if the command line says so. */
bool setup_plan_confirm(const struct setup_plan *plan, const char *question);

#endif
