/* pipe.h - carries bytes between a program and a mail server, both ways at once, until one of them ends it.
 *
 * Whoever is slow holds up only the direction that it is slow in: what is on its way is bounded, and neither direction waits
 * for the other.  The program's descriptors are left as they are, for others may share them: not even O_NONBLOCK is set. */
#ifndef TOOL_PIPE_H
#define TOOL_PIPE_H

#include "tool/mail_connection.h"

/* Which descriptors are the program's, and what it said already. */
struct pipe_program {
    int in, out; /* may be the same */
    const char *said;
    size_t said_length; /* at most PIPE_SAID_MAX */
};

#define PIPE_SAID_MAX 4096

/* Carries until the end; the server was told of it then.  The program ends by closing what we write to, or by closing what
 * we read from: then the server has a minute to begin to answer what was asked last.  BEARER_PEER: the server hung up in the
 * middle of it, in no due form, and without having been asked to.  BEARER_LOCAL: poll(2) fails. */
enum bearer_status pipe_carry(struct mail_connection *connection, const struct pipe_program *program,
                              struct bearer_error *err);

#endif
