/* places.h - where configuration and tokens are, for the system and for a user. */
#ifndef BEARER_PLACES_H
#define BEARER_PLACES_H

#include "credential/error.h"

/* Gives the path in which the system's sasl.conf is searched: SASL_CONF_PATH (unless setuid), then libsasl2's own path (may
 * be NULL), then always $(sysconfdir)/sasl2.  NULL without memory.  Free it. */
char *bearer_system_config_path(const char *libsasl2_path);

/* Gives the directory of the user's sasl.conf, $XDG_CONFIG_HOME/sasl2, else $HOME/.config/sasl2 where $HOME belongs to the
 * effective user; NULL for root and where there is neither.  Free it. */
char *bearer_user_config_directory(void);

/* Lends the system's token directory. */
const char *bearer_system_store(void);

/* Gives the user's token directory: $XDG_STATE_HOME/sasl-bearer, else .local/state/sasl-bearer under the home of the
 * effective user, never one that he does not own, else $STATE_DIRECTORY; NULL if there is none.  Free it. */
char *bearer_user_store(void);

/* Gives the path of one of the credentials that systemd handed to this program's service, in $CREDENTIALS_DIRECTORY
 * (systemd.exec(5)); NULL if it was handed none (or without memory).  Free it. */
char *bearer_credential_path(const char *name);

/* Lends the directory in which provider modules are installed. */
const char *bearer_provider_directory(void);

/* Lends the system's bundle of certification authorities. */
const char *bearer_system_ca_file(void);

#endif
