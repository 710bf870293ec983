/* check_trial.h - one login, as a host would make it: through libsasl2 and our plugin, in a child process. */
#ifndef TOOL_CHECK_TRIAL_H
#define TOOL_CHECK_TRIAL_H

#include "credential/error.h"
#include "tool/environment.h"
#include "tool/jail.h"
#include "tool/mail_login.h"
#include "tool/mail_session.h"

#include <stdbool.h>

#define TRIAL_TRANSCRIPT_MAX 16384

/* What is asked of a child. */
struct trial_order {
    struct mail_address address;
    const char *user;
    const char *send_to; /* NULL = no message */
    const char *ca_file; /* for the mail server's certificate */
    const struct environment_choice *choice;
    const struct jail *jail; /* whose smtp(8) it is to be; NULL = nobody's */
};

enum trial_end { TRIAL_NONE, TRIAL_LOGGED_IN, TRIAL_OPENED, TRIAL_SENT }; /* how far it got behind the login */

/* What comes back. */
struct trial {
    bool ended; /* the child came to its end */
    enum trial_end end;
    struct bearer_error err;
    struct mail_session session;
    struct mail_login login;
    char transcript[TRIAL_TRANSCRIPT_MAX];
};

/* Gives what became of it, NULL without memory; err, too, is of the child.  trial_free() it. */
struct trial *trial_run(const struct trial_order *order);
void trial_free(struct trial **trial);

#endif
