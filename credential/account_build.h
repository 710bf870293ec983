/* account_build.h - from a section to an account: its values, who inherits what, its credential, the service's presets, and whether
 * anything is missing.  For account.c, and for those who explain a configuration. */
#ifndef BEARER_ACCOUNT_BUILD_H
#define BEARER_ACCOUNT_BUILD_H

#include "credential/account.h"

#define BEARER_TOP_SECTION "*" /* the top of a file covers every name; what people are shown for it */

/* Where values come from. */
struct bearer_lookup {
    const struct bearer_config *config;
    bearer_program_option *program_option; /* may be NULL */
    void *context;
};

/* Gives the account that a section makes of a lower-case name; name NULL = of nobody in particular.  Fails as
 * bearer_account_find(). */
enum bearer_status bearer_account_build(const struct bearer_lookup *l, const struct bearer_section *section, const char *name,
                                        struct bearer_account **account_out, struct bearer_error *err);

/* Lends what sasl.conf sets for an account that a section makes: the section itself, or a top that it inherits from.  NULL: it says
 * nothing, so what completes an account, a default or a preset may count. */
const struct bearer_config_value *bearer_account_inherited(const struct bearer_config *config, const struct bearer_section *section,
                                                           enum bearer_option_id id);

/* Lends what completes an account without a line in sasl.conf, or NULL: the program's own SASL option, then the environment's. */
const char *bearer_account_completing(const struct bearer_lookup *l, enum bearer_option_id id);

/* Whether such a value is good.  BEARER_CONFIG. */
enum bearer_status bearer_account_check_completing(enum bearer_option_id id, const char *value, struct bearer_error *err);

#endif
