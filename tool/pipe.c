/* pipe.c - see pipe.h */
#include "tool/pipe.h"

#include "credential/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE 65536 /* on the way, in each direction */
#define LAST_SIZE   64    /* bytes of what the program said last */
#define ANSWER      60000 /* ms for the server to answer, or to take, what a program said before it ended */
#define QUIET       5000  /* ms without a byte from the server until a program that ended gets no more answers */
#define PARTING     5000  /* ms for the server to end it as well */
#define ASK_AFTER   120 /* s of silence until TCP asks whether the other end is there, which keeps NAT and firewalls awake */
#define ASK_AGAIN   30  /* s until it asks again */
#define GONE_AFTER  300 /* s without a sign of life, where one was due, until the server counts as gone */

struct buffer {
    char bytes[BUFFER_SIZE];
    size_t begin, end;
};

struct pipe {
    struct mail_connection *connection;
    int in, out;
    int own_out;            /* as out, but does not wait; -1 = none */
    struct buffer up, down; /* to the server, to the program */

    bool in_ended;      /* the program says no more */
    bool out_gone;      /* the program hears no more */
    bool server_ended;  /* the server says no more */
    bool server_broke;  /* and that in no due form */
    bool server_deaf;   /* the server hears no more */
    bool answer_is_due; /* the program spoke last */
    bool parted;        /* it was told that nothing more comes */

    bool in_ready, out_ready; /* what poll(2) said of the program */
    short for_read,
        for_write;        /* what the socket has to be polled for before reading from the server, writing to it, goes on */
    int64_t patience;     /* until when, once the program has ended; milliseconds of CLOCK_MONOTONIC */
    char last[LAST_SIZE]; /* what the program said last */
    size_t last_length;
};

/* ------------------------------------------------------------------ buffers */

static size_t held(const struct buffer *buffer)
{
    return buffer->end - buffer->begin;
}

static size_t room(const struct buffer *buffer)
{
    return BUFFER_SIZE - held(buffer);
}

/* Lends where size bytes can be put. */
static char *room_begin(struct buffer *buffer, size_t *size)
{
    if (buffer->end == BUFFER_SIZE) {
        size_t count = held(buffer);

        for (size_t i = 0; i < count; i++) /* as memmove() does, whose fortified form valgrind takes for memcpy() */
            buffer->bytes[i] = buffer->bytes[buffer->begin + i];
        buffer->end = count;
        buffer->begin = 0;
    }
    *size = BUFFER_SIZE - buffer->end;
    return buffer->bytes + buffer->end;
}

static void drop(struct buffer *buffer, size_t count)
{
    buffer->begin += count;
    if (buffer->begin == buffer->end)
        buffer->begin = buffer->end = 0;
}

static void drop_all(struct buffer *buffer)
{
    buffer->begin = buffer->end = 0;
}

/* ------------------------------------------------------------------ what the program said last */

static void remember(struct pipe *pipe, const char *bytes, size_t length)
{
    size_t fresh = length < LAST_SIZE ? length : LAST_SIZE, kept = pipe->last_length;

    if (kept > LAST_SIZE - fresh)
        kept = LAST_SIZE - fresh;
    memmove(pipe->last, pipe->last + pipe->last_length - kept, kept);
    memcpy(pipe->last + kept, bytes + length - fresh, fresh);
    pipe->last_length = kept + fresh;
}

/* Whether the last line is a word, IMAP's behind a tag. */
static bool last_line_is(const struct pipe *pipe, const char *word)
{
    size_t length = strlen(word), end = pipe->last_length;

    while (end > 0 && strchr("\r\n", pipe->last[end - 1]) != NULL)
        end--;
    return end < pipe->last_length && end >= length && strncasecmp(pipe->last + end - length, word, length) == 0 &&
           (end == length || strchr(" \n", pipe->last[end - length - 1]) != NULL);
}

static bool said_goodbye(const struct pipe *pipe)
{
    return last_line_is(pipe, "LOGOUT") || last_line_is(pipe, "QUIT");
}

/* ------------------------------------------------------------------ one step in each direction */

static void hear_program(struct pipe *pipe)
{
    size_t size;
    char *bytes = room_begin(&pipe->up, &size);
    ssize_t count = read(pipe->in, bytes, size);

    if (count > 0) {
        remember(pipe, bytes, (size_t)count);
        pipe->up.end += (size_t)count;
        pipe->answer_is_due = true;
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        pipe->in_ended = true;
    }
}

/* A pipe that we were given may be shared, and with it O_NONBLOCK: so it is opened anew.  -1: it is none, or may not be. */
static int open_anew(int fd)
{
    char path[32];
    struct stat status;

    if (fstat(fd, &status) != 0 || !S_ISFIFO(status.st_mode))
        return -1;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
}

/* As write(2), but without waiting: sockets can be told so, and a pipe that is ready has room for PIPE_BUF bytes. */
static ssize_t write_now(const struct pipe *pipe, const char *bytes, size_t length)
{
    ssize_t count;

    if (pipe->own_out >= 0)
        return write(pipe->own_out, bytes, length);
    count = send(pipe->out, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno == ENOTSOCK)
        count = write(pipe->out, bytes, length < PIPE_BUF ? length : PIPE_BUF);
    return count;
}

static void tell_program(struct pipe *pipe)
{
    ssize_t count = write_now(pipe, pipe->down.bytes + pipe->down.begin, held(&pipe->down));

    if (count > 0)
        drop(&pipe->down, (size_t)count);
    else if (count < 0 && errno != EAGAIN && errno != EINTR)
        pipe->out_gone = true;
}

/* These two give whether anything moved. */
static bool hear_server(struct pipe *pipe)
{
    size_t size;
    char *bytes = room_begin(&pipe->down, &size);
    ssize_t count = mail_connection_read_some(pipe->connection, bytes, size, &pipe->for_read);

    if (count > 0) {
        pipe->down.end += (size_t)count;
        pipe->answer_is_due = false;
        if (!pipe->out_gone)
            pipe->patience = 0;
    } else if (pipe->for_read == 0) {
        pipe->server_ended = true;
        pipe->server_broke = count < 0;
    }
    return count > 0;
}

static bool tell_server(struct pipe *pipe)
{
    ssize_t count =
        mail_connection_write_some(pipe->connection, pipe->up.bytes + pipe->up.begin, held(&pipe->up), &pipe->for_write);

    if (count > 0) {
        drop(&pipe->up, (size_t)count);
        pipe->patience = 0;
    } else if (pipe->for_write == 0) {
        pipe->server_deaf = true; /* why, it may still say */
    }
    return count > 0;
}

/* Does everything that can be done now; gives whether there may be more.  In each direction what makes room comes before
 * what wants it: whoever found no room says nothing of what to wait for. */
static bool step(struct pipe *pipe)
{
    bool moved = false;

    pipe->for_read = pipe->for_write = 0;
    if (pipe->out_ready && !pipe->out_gone && held(&pipe->down) > 0)
        tell_program(pipe);
    if (pipe->out_gone)
        drop_all(&pipe->down);
    if (pipe->in_ready && !pipe->in_ended)
        hear_program(pipe);
    if (held(&pipe->up) > 0 && !pipe->server_deaf)
        moved = tell_server(pipe);
    if (room(&pipe->down) > 0 && !pipe->server_ended)
        moved = hear_server(pipe) || moved;
    if (pipe->server_deaf || pipe->server_ended)
        drop_all(&pipe->up);
    pipe->in_ready = pipe->out_ready = false;
    return moved;
}

/* ------------------------------------------------------------------ the end */

static void part(struct pipe *pipe, int64_t now)
{
    mail_connection_finish(pipe->connection);
    pipe->parted = true;
    pipe->patience = now + PARTING;
}

/* Once the program has ended: passes on what it said, waits for the server's last answers, then parts from the server and
 * waits for that to end it as well, lest a reset take what is still on its way there. */
static bool program_is_over(struct pipe *pipe)
{
    int64_t now = bearer_monotonic();

    if (!pipe->in_ended && !pipe->out_gone)
        return false;
    if (held(&pipe->down) > 0) { /* it is slow, not gone */
        pipe->patience = 0;
        return false;
    }
    if (pipe->patience == 0)
        pipe->patience = now + (pipe->parted ? PARTING : pipe->answer_is_due ? ANSWER : QUIET);
    if (!pipe->parted && (now >= pipe->patience || (pipe->in_ended && pipe->out_gone && held(&pipe->up) == 0)))
        part(pipe, now);
    return pipe->parted && now >= pipe->patience;
}

static bool server_is_over(const struct pipe *pipe)
{
    return pipe->server_ended && held(&pipe->down) == 0;
}

/* ------------------------------------------------------------------ waiting */

static int time_to_wait(const struct pipe *pipe, bool moved)
{
    int64_t left = pipe->patience - bearer_monotonic();

    if (moved)
        return 0;
    return pipe->patience == 0 ? -1 : left > 0 ? (int)left : 0;
}

/* A descriptor that nothing is wanted from is not polled: that it hung up would be told again and again. */
static bool wait_for_any(struct pipe *pipe, bool moved)
{
    bool hears = !pipe->in_ended && !pipe->server_deaf && !pipe->server_ended && room(&pipe->up) > 0;
    short for_socket = (short)(pipe->for_read | pipe->for_write);
    struct pollfd pollers[] = {
        { .fd = hears ? pipe->in : -1, .events = POLLIN },
        { .fd = pipe->out_gone ? -1 : pipe->out, .events = held(&pipe->down) > 0 ? POLLOUT : 0 },
        { .fd = for_socket != 0 ? mail_connection_socket(pipe->connection) : -1, .events = for_socket },
    };

    if (poll(pollers, sizeof pollers / sizeof pollers[0], time_to_wait(pipe, moved)) < 0)
        return errno == EINTR;
    pipe->in_ready = pollers[0].revents != 0;
    pipe->out_ready = (pollers[1].revents & POLLOUT) != 0;
    if (pollers[1].revents & (POLLERR | POLLHUP | POLLNVAL))
        pipe->out_gone = true;
    return true;
}

/* No clock of ours runs while both sides are there, for IDLE may say nothing for hours.  TCP alone finds out that the server
 * is gone: from what it does not answer, or does not acknowledge. */
static void keep_alive(int socket)
{
    const int on = 1, after = ASK_AFTER, again = ASK_AGAIN, gone = GONE_AFTER * 1000;

    (void)setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &after, sizeof after);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &again, sizeof again);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &gone, sizeof gone);
}

enum bearer_status pipe_carry(struct mail_connection *connection, const struct pipe_program *program,
                              struct bearer_error *err)
{
    struct pipe pipe = { .connection = connection, .in = program->in, .out = program->out };
    bool moved, waits = true;

    pipe.own_out = open_anew(program->out);
    keep_alive(mail_connection_socket(connection));
    memcpy(pipe.up.bytes, program->said, program->said_length);
    pipe.up.end = program->said_length;
    remember(&pipe, program->said, program->said_length);
    do
        moved = step(&pipe);
    while (!program_is_over(&pipe) && !server_is_over(&pipe) && (waits = wait_for_any(&pipe, moved)));
    if (pipe.own_out >= 0)
        close(pipe.own_out);
    if (!waits)
        return bearer_fail(err, BEARER_LOCAL, "cannot wait for the program and the server: %m");
    if (!pipe.parted)
        mail_connection_finish(connection);
    if (pipe.server_broke && !pipe.parted && !said_goodbye(&pipe))
        return bearer_fail(err, BEARER_PEER, "the server hung up in the middle of the conversation");
    return BEARER_OK;
}
