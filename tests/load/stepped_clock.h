/* stepped_clock.h - a time of day that a test sets ahead, for all code of its process, the plugin's too.
 *
 * A program that uses it is linked with -Wl,--export-dynamic: plugins find its clock_gettime() before libc's.  Clocks that
 * only measure how long something takes are left alone. */
#ifndef STEPPED_CLOCK_H
#define STEPPED_CLOCK_H

#include <stdatomic.h>

extern atomic_long clock_ahead; /* seconds by which CLOCK_REALTIME is ahead */

#endif
