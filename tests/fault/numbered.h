/* numbered.h - states of a token file that tell their number, and whether they are whole.
 *
 * State N has a refresh token and an access token that both spell N all over, of lengths that follow from N.  Nothing here uses
 * cmocka's assertions: children use it too.
 */
#ifndef TESTS_NUMBERED_H
#define TESTS_NUMBERED_H

#include "credential/store.h"

#include <stdbool.h>

#define NUMBER_EMPTY 0  /* the file holds nothing */
#define NUMBER_BROKEN -1 /* what it holds is no state at all */

/* Lengths of tokens; "most" is the longest. */
struct number_lengths {
    size_t least, most;
    unsigned long expendable; /* bit N: state N has no refresh token */
};
extern struct number_lengths number_lengths;

/* Whether state NUMBER has nothing that cannot be had again. */
bool number_is_expendable(long number);

/* Makes state NUMBER; clear it. */
enum bearer_status number_make(long number, struct bearer_token *token_out, struct bearer_error *err);

/* Tells a state's number. */
long number_of(const struct bearer_token *token);

/* Writes state NUMBER; the lock must be held. */
enum bearer_status number_write(struct bearer_store *store, long number, bool *stored_out, struct bearer_error *err);

/* Reads a store; NUMBER_BROKEN, and the error, where it cannot be read. */
long number_read(struct bearer_store *store, struct bearer_error *err);

/* The same of a store that is opened for it; NUMBER_EMPTY if it is absent. */
long number_read_path(const char *path, struct bearer_error *err);

#endif
