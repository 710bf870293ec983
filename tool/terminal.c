/* terminal.c - see terminal.h */
#include "tool/terminal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { CONTROL_C = 3, CONTROL_D = 4, BACKSPACE = 8, DELETE = 127 };

static const int ending[TERMINAL_SIGNALS] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };
static volatile sig_atomic_t was_ended;

static void note_ending(int number)
{
    (void)number;
    was_ended = 1;
}

/* Has the signals that end a program come in while it waits, and nowhere else.  What is ignored stays so: nohup(1). */
static void hold_signals(struct terminal *terminal)
{
    struct sigaction action = { .sa_handler = note_ending };
    sigset_t held;

    was_ended = 0;
    sigemptyset(&held);
    for (int i = 0; i < TERMINAL_SIGNALS; i++)
        sigaddset(&held, ending[i]);
    sigprocmask(SIG_BLOCK, &held, &terminal->mask);
    for (int i = 0; i < TERMINAL_SIGNALS; i++) {
        sigaction(ending[i], NULL, &terminal->actions[i]);
        if (terminal->actions[i].sa_handler != SIG_IGN)
            sigaction(ending[i], &action, NULL);
    }
}

static void release_signals(const struct terminal *terminal)
{
    for (int i = 0; i < TERMINAL_SIGNALS; i++)
        sigaction(ending[i], &terminal->actions[i], NULL);
    sigprocmask(SIG_SETMASK, &terminal->mask, NULL);
}

/* A program in the background would be stopped if it touched its terminal. */
static bool is_in_background(void)
{
    pid_t foreground = tcgetpgrp(STDIN_FILENO);

    return foreground >= 0 && foreground != getpgrp();
}

void terminal_begin(struct terminal *terminal)
{
    struct termios quiet;

    *terminal = (struct terminal){ .open = !is_in_background() };
    hold_signals(terminal);
    if (!terminal->open || tcgetattr(STDIN_FILENO, &terminal->before) != 0)
        return;
    quiet = terminal->before;
    quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON | ISIG);
    terminal->quiet = tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet) == 0;
}

/* Adds a character to the line.  False: the line is complete. */
static bool take_character(struct terminal *terminal, char c)
{
    if (c == '\n' || c == '\r' || c == CONTROL_D)
        return false;
    if (c == BACKSPACE || c == DELETE)
        terminal->length -= terminal->length > 0;
    else if (terminal->length < sizeof terminal->line - 1)
        terminal->line[terminal->length++] = c;
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static enum terminal_event finish_line(struct terminal *terminal)
{
    size_t start = 0, end = terminal->length;

    while (end > 0 && is_blank(terminal->line[end - 1]))
        end--;
    while (start < end && is_blank(terminal->line[start]))
        start++;
    memmove(terminal->line, terminal->line + start, end - start);
    terminal->length = end - start;
    terminal->line[terminal->length] = '\0';
    terminal->complete = true;
    return TERMINAL_LINE;
}

/* Reads one character: what comes behind the line is for whoever reads standard input next. */
static enum terminal_event read_character(struct terminal *terminal)
{
    char c;
    ssize_t n = read(STDIN_FILENO, &c, 1);

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return TERMINAL_NOTHING;
    if (n <= 0) {
        terminal->open = false;
        return terminal->length > 0 ? finish_line(terminal) : TERMINAL_END;
    }
    if (c == CONTROL_C && terminal->quiet)
        return TERMINAL_STOP;
    return take_character(terminal, c) ? TERMINAL_NOTHING : finish_line(terminal);
}

static void begin_line(struct terminal *terminal)
{
    if (!terminal->complete)
        return;
    bearer_wipe(terminal->line, sizeof terminal->line);
    terminal->length = 0;
    terminal->complete = false;
}

enum terminal_event terminal_wait(struct terminal *terminal, const int *others, unsigned count, int64_t milliseconds)
{
    struct timespec time = { milliseconds / 1000, milliseconds % 1000 * 1000000 };
    struct pollfd polled[1 + TERMINAL_OTHERS] = { { terminal->open ? STDIN_FILENO : -1, POLLIN, 0 } };

    begin_line(terminal);
    for (unsigned i = 0; i < count && i < TERMINAL_OTHERS; i++)
        polled[1 + i] = (struct pollfd){ others[i], POLLIN, 0 };
    if (ppoll(polled, 1 + count, &time, &terminal->mask) > 0 && polled[0].revents != 0)
        return read_character(terminal);
    return was_ended ? TERMINAL_STOP : TERMINAL_NOTHING;
}

const char *terminal_line(const struct terminal *terminal)
{
    return terminal->line;
}

void terminal_end(struct terminal *terminal)
{
    if (terminal->quiet)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal->before);
    release_signals(terminal);
    bearer_wipe(terminal->line, sizeof terminal->line);
}
