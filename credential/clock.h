/* clock.h - the two clocks: what time it is, and how long something takes. */
#ifndef BEARER_CLOCK_H
#define BEARER_CLOCK_H

#include <stdint.h>

/* Seconds since the epoch. */
int64_t bearer_now(void);

/* Milliseconds of CLOCK_MONOTONIC, the clock of deadlines. */
int64_t bearer_monotonic(void);

/* Sleeps that long, less if a signal comes. */
void bearer_sleep(int64_t milliseconds);

#endif
