/* jail.h - what Postfix makes of its smtp(8) before it sends: the environment, the chroot jail, the user.
 *
 * master(8) clears the environment but for import_environment; smtp(8) initialises libsasl2 as root, then enters the jail
 * and gives up root for good.  A process that has gone the same way can what smtp(8) can, and nothing else. */
#ifndef TOOL_JAIL_H
#define TOOL_JAIL_H

#include "credential/error.h"

#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

struct jail {
    char directory[PATH_MAX]; /* empty = smtp(8) runs unjailed */
    char user[64];            /* mail_owner */
    uid_t uid;
    gid_t gid;
    char ca_file[PATH_MAX]; /* smtp_tls_CAfile, empty = none */
    char environment[4096]; /* import_environment */
};

/* Asks Postfix about the smtp(8) that our mail takes, as the doctor does (check_postfix.h).  False: Postfix is not here, or
 * does not say. */
bool jail_find(struct jail *jail);

/* Makes the environment what master(8) gives to smtp(8). */
void jail_set_environment(const struct jail *jail);

/* Enters the jail, if there is one, and becomes its user for good.  For root. */
enum bearer_status jail_enter(const struct jail *jail, struct bearer_error *err);

#endif
