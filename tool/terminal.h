/* terminal.h - what a person types or pastes at this program: a line of any length, not shown.
 *
 * A terminal by itself passes on lines of at most 4096 bytes, and shows them.  Between terminal_begin() and terminal_end()
 * it does neither, and signals that would end this program only end the waiting: they would leave the terminal so.
 */
#ifndef TOOL_TERMINAL_H
#define TOOL_TERMINAL_H

#include "credential/secret.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#define TERMINAL_SIGNALS 4
#define TERMINAL_OTHERS  2

enum terminal_event {
    TERMINAL_NOTHING, /* time is up, or one of the other descriptors has something, or only a part of a line came */
    TERMINAL_LINE,    /* a line is there: terminal_line() */
    TERMINAL_END,     /* standard input has ended; told once */
    TERMINAL_STOP     /* Control-C, or a signal that would have ended this program */
};

struct terminal {
    bool open;                       /* standard input may still bring something */
    bool quiet;                      /* it is a terminal, and shows nothing */
    char line[BEARER_TOKEN_MAX + 2]; /* one byte more shows that a line is too long, one is for a NUL */
    size_t length;
    bool complete;
    struct termios before;
    sigset_t mask;
    struct sigaction actions[TERMINAL_SIGNALS];
};

void terminal_begin(struct terminal *terminal);

/* Waits until standard input, or one of at most TERMINAL_OTHERS descriptors, brings something. */
enum terminal_event terminal_wait(struct terminal *terminal, const int *others, unsigned count, int64_t milliseconds);

/* Lends the line, without blanks around it, until the next terminal_wait(); it has terminal->length bytes.  One that is
 * longer than BEARER_TOKEN_MAX is cut to one byte more. */
const char *terminal_line(const struct terminal *terminal);

/* Makes everything as it was; wipes the line. */
void terminal_end(struct terminal *terminal);

#endif
