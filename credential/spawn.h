/* spawn.h - reads what a program prints: tokens and secrets that another program has.
 *
 * We are a guest in the process that runs it: no shell, no signal handler, no child and no descriptor left behind, and
 * nothing of the host's descriptors, signal mask or handlers gets into the program.  Its environment is the host's.
 */
#ifndef BEARER_SPAWN_H
#define BEARER_SPAWN_H

#include "credential/secret.h"

#include <stdint.h>

/* Runs a command, blank-separated words of which the first is an absolute path, and gives all that it prints to standard
 * output, maximum bytes at most.  At the deadline (CLOCK_MONOTONIC ms) its process group is ended, which may take half a
 * second more.  Output that is complete counts even if the program then does not end by itself.
 *
 * Texts name the first word only, since arguments may be private, and of what the program says about a failure the first
 * line, unless that might hold a token.
 *
 * BEARER_CONFIG: it cannot be run, or prints too much.  BEARER_LATER: it failed, was ended, or printed nothing.
 * BEARER_LOCAL, BEARER_NOMEM: this machine lacks something.  *output_out is then empty. */
enum bearer_status bearer_spawn_read(const char *command, int64_t deadline, size_t maximum, struct bearer_secret *output_out,
                                     struct bearer_error *err);

#endif
