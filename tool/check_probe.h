/* check_probe.h - how the doctor asks: programs of this machine, and other people's code, which runs in a process of its
 * own. */
#ifndef TOOL_CHECK_PROBE_H
#define TOOL_CHECK_PROBE_H

#include "credential/secret.h"

#include <stdbool.h>
#include <stdio.h>

/* Gives a program's absolute path, or NULL: looked for in PATH, and where an administrator's programs are.  Free it. */
char *probe_find(const char *program);

/* Gives what a command prints, without the last line's end; NULL if it fails, prints nothing or takes longer than a few
 * seconds. format makes blank-separated words, of which the first is an absolute path.  Free it. */
char *probe_run(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for what may be a password.  False: nothing came of it. */
bool probe_run_secret(struct bearer_secret *output_out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Work that is done in a child process: whatever it loads is gone with it.  What it writes to out is all that comes back. */
typedef void probe_work(FILE *out, void *data);

/* Gives what the work wrote; *ended_out, unless NULL: whether it came to its end, not to a crash or the end of our patience.
 * NULL where no process can be had.  Free it. */
char *probe_in_child(probe_work *work, void *data, bool *ended_out);

#endif
