/* killed.h - children that are killed at a system call. */
#ifndef TESTS_KILLED_H
#define TESTS_KILLED_H

#include "tests/unit/scratch.h"

#include <stdbool.h>

/* Runs work in a child, up to the given stop, and kills it there.  There are two stops for each system call: before and
 * after.  work ends by _exit, with 0 unless something is wrong, which fails the test.  False: it came to its end before
 * that stop.  Where no process may be traced, the test is skipped. */
bool killed_at(long stop, void (*work)(const void *data), const void *data);

#endif
