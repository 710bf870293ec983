/* signals.h - keeping a host's signal handlers away from work that must not be left halfway.
 *
 * A handler may leave by siglongjmp and take with it a thread that holds a lock.  Only signals that have a handler are held
 * back: one that ends the program still does so at once, and the locks end with it.
 */
#ifndef BEARER_SIGNALS_H
#define BEARER_SIGNALS_H

#include <signal.h>

/* Holds handled signals back from this thread; gives what was blocked before, for bearer_signals_release(). */
void bearer_signals_hold(sigset_t *before_out);

/* Lets them in, those that came meanwhile first: this may not return. */
void bearer_signals_release(const sigset_t *before);

#endif
