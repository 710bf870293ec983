/* listener.h - waits on this machine for the answer that a browser brings at the end of a sign-in (RFC 8252 section 7.3).
 *
 * It listens on 127.0.0.1 and ::1, on one port.  Only a GET of the redirect URI itself that carries the right state ends
 * the waiting; that request gets its page once it is known what came of the sign-in.  Whatever else comes, from other
 * pages, other sign-ins or other programs, is turned away and changes nothing.
 */
#ifndef TOOL_LISTENER_H
#define TOOL_LISTENER_H

#include "credential/error.h"

#include <stdbool.h>
#include <stdint.h>

struct listener;

/* Gives a listener for an answer that carries this state.  redirect_uri: as configured.  If it is not http on this machine
 * nobody listens: such an answer is brought by hand, see listener_take().
 * BEARER_LOCAL: the port that it names is taken, or there is no loopback.  BEARER_NOMEM. */
enum bearer_status listener_new(const char *redirect_uri, const char *state, struct listener **listener_out,
                                struct bearer_error *err);

/* Whether it does listen. */
bool listener_is_open(const struct listener *listener);

/* Lends the redirect URI to send, the port in it. */
const char *listener_uri(const struct listener *listener);

#define LISTENER_DESCRIPTORS 2

/* Gives the descriptors to poll for input; returns how many. */
unsigned listener_descriptors(const struct listener *listener, int descriptors_out[LISTENER_DESCRIPTORS]);

/* Does what there is to do, without waiting.  Gives the milliseconds after which to be called again even if the descriptors
 * bring nothing, at most as many as given. */
int64_t listener_run(struct listener *listener, int64_t milliseconds);

enum listener_taken {
    LISTENER_TAKEN,
    LISTENER_NO_ANSWER,    /* it is something else */
    LISTENER_OTHER_ANSWER, /* to another sign-in */
};

/* Takes the address that the browser ended at, as somebody pastes it: all of it, or only its parameters. */
enum listener_taken listener_take(struct listener *listener, const char *address);

/* Lends the parameters of the answer, just as they came, or NULL: none has come yet. */
const char *listener_answer(const struct listener *listener);

/* Gives the page to the browser that brought the answer and waits, within seconds; NULL: it gets none.  Frees. */
void listener_finish(struct listener **listener, const char *page);

#endif
