/* arc.h - Azure Arc's challenge: its agent names one of its files, and whoever can send the content may have a token.
 *
 * Anyone may listen on the agent's port before the agent does and name a file of others.  So what a challenge names is only
 * read if it is one of the agent's own files by its place, its name, its owner and its size. */
#ifndef BEARER_ARC_H
#define BEARER_ARC_H

#include "credential/secret.h"

#define ARC_KEYS "/var/opt/azcmagent/tokens" /* the directory of its files */

/* Reads the key that a WWW-Authenticate header names, which must stand in the directory.
 * BEARER_PEER: the challenge or the file is not what the agent makes.  BEARER_LOCAL: this process cannot open the file.
 * BEARER_LATER: it is not there. */
enum bearer_status arc_read_key(const char *directory, const char *challenge, struct bearer_secret *key_out,
                                struct bearer_error *err);

#endif
