/* test_pipe.c - carrying bytes between a program and a server: everything arrives, in both directions at once, whoever is
 * slow and however it ends. */
#include "credential/clock.h"
#include "tests/unit/scratch.h"
#include "tool/pipe.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define LONG 20000 /* ms that nothing here takes */
#define MUCH 8000000

/* The two ends of what is carried: the test is the program and the server. */
struct ends {
    int to_pipe, from_pipe; /* the program's */
    int server;
    struct pipe_program program;
    struct mail_connection *connection;
    pthread_t thread;
    enum bearer_status st;
    struct bearer_error err;
};

static void *carry(void *data)
{
    struct ends *ends = data;

    ends->st = pipe_carry(ends->connection, &ends->program, &ends->err);
    mail_connection_close(&ends->connection);
    close(ends->program.in);
    if (ends->program.out != ends->program.in)
        close(ends->program.out);
    return NULL;
}

static void connect_server(struct ends *ends)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    char port[8];

    assert_int_equal(bind(listener, (struct sockaddr *)&address, length), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &length), 0);
    snprintf(port, sizeof port, "%d", ntohs(address.sin_port));
    assert_int_equal(mail_connection_open("127.0.0.1", port, bearer_monotonic() + LONG, &ends->connection, &ends->err),
                     BEARER_OK);
    ends->server = accept(listener, NULL, NULL);
    assert_true(ends->server >= 0);
    close(listener);
}

/* one_socket: as programs do that have but one for both directions. */
static void begin(struct ends *ends, bool one_socket, const char *said)
{
    int up[2], down[2];

    *ends = (struct ends){ .err = BEARER_ERROR_INIT };
    signal(SIGPIPE, SIG_IGN);
    if (one_socket) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, up), 0);
        ends->to_pipe = ends->from_pipe = up[1];
        ends->program.in = ends->program.out = up[0];
    } else {
        assert_int_equal(pipe(up), 0);
        assert_int_equal(pipe(down), 0);
        ends->program.in = up[0];
        ends->to_pipe = up[1];
        ends->from_pipe = down[0];
        ends->program.out = down[1];
    }
    ends->program.said = said;
    ends->program.said_length = strlen(said);
    connect_server(ends);
    assert_int_equal(pthread_create(&ends->thread, NULL, carry, ends), 0);
}

static enum bearer_status end(struct ends *ends)
{
    assert_int_equal(pthread_join(ends->thread, NULL), 0);
    return ends->st;
}

static void expect(int fd, const char *text)
{
    char bytes[256];
    size_t length = strlen(text);

    for (size_t got = 0; got < length;) {
        ssize_t count = read(fd, bytes + got, length - got);

        assert_true(count > 0);
        got += (size_t)count;
    }
    assert_memory_equal(bytes, text, length);
}

static void expect_end(int fd)
{
    char byte;

    assert_true(read(fd, &byte, 1) <= 0);
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* ------------------------------------------------------------------ both ways */

/* One who writes much and never reads. */
struct flood {
    int fd;
    unsigned char seed;
    pthread_t thread;
};

static void *pour(void *data)
{
    const struct flood *flood = data;
    unsigned char part[10007];

    for (size_t at = 0; at < MUCH; at += sizeof part) {
        size_t length = MUCH - at < sizeof part ? MUCH - at : sizeof part, done = 0;

        for (size_t i = 0; i < length; i++)
            part[i] = (unsigned char)((at + i) * 31 + ((at + i) >> 8) + flood->seed);
        while (done < length) {
            ssize_t count = write(flood->fd, part + done, length - done);

            if (count <= 0)
                return NULL;
            done += (size_t)count;
        }
    }
    return NULL;
}

static void swallow(int fd, unsigned char seed)
{
    static unsigned char part[3001];

    for (size_t at = 0; at < MUCH;) {
        ssize_t count = read(fd, part, sizeof part);

        assert_true(count > 0);
        for (size_t i = 0; i < (size_t)count; i++)
            if (part[i] != (unsigned char)((at + i) * 31 + ((at + i) >> 8) + seed))
                fail_msg("byte %zu is another", at + i);
        at += (size_t)count;
    }
}

/* Both write before either reads: what is on its way is bounded, so each direction must go on without the other. */
static void both_directions_at_once(bool one_socket)
{
    struct ends ends;
    struct flood up, down;

    begin(&ends, one_socket, "");
    up = (struct flood){ .fd = ends.to_pipe, .seed = 1 };
    down = (struct flood){ .fd = ends.server, .seed = 2 };
    pthread_create(&up.thread, NULL, pour, &up);
    pthread_create(&down.thread, NULL, pour, &down);
    swallow(ends.from_pipe, 2);
    pthread_join(down.thread, NULL);
    swallow(ends.server, 1);
    pthread_join(up.thread, NULL);
    close(ends.server);
    expect_end(ends.from_pipe);
    assert_int_equal(end(&ends), BEARER_OK);
    close(ends.to_pipe);
    if (!one_socket)
        close(ends.from_pipe);
}

static void much_goes_both_ways_at_once_through_pipes(void **state)
{
    (void)state;
    both_directions_at_once(false);
}

static void much_goes_both_ways_at_once_through_one_socket(void **state)
{
    (void)state;
    both_directions_at_once(true);
}

static void what_the_program_said_before_comes_first(void **state)
{
    struct ends ends;

    (void)state;
    begin(&ends, false, "STAT\r\n");
    say(ends.to_pipe, "LIST\r\n");
    expect(ends.server, "STAT\r\nLIST\r\n");
    close(ends.server);
    expect_end(ends.from_pipe);
    assert_int_equal(end(&ends), BEARER_OK);
    close(ends.to_pipe);
    close(ends.from_pipe);
}

/* The descriptors are not ours alone. */
static void the_program_s_pipes_are_left_as_they_are(void **state)
{
    struct ends ends;
    int before;

    (void)state;
    begin(&ends, false, "");
    before = fcntl(ends.program.out, F_GETFL);
    say(ends.to_pipe, "a NOOP\r\n");
    expect(ends.server, "a NOOP\r\n");
    assert_int_equal(before & O_NONBLOCK, 0);
    assert_int_equal(fcntl(ends.program.out, F_GETFL), before);
    close(ends.server);
    expect_end(ends.from_pipe);
    assert_int_equal(end(&ends), BEARER_OK);
    close(ends.to_pipe);
    close(ends.from_pipe);
}

static int tcp_option(const struct ends *ends, int level, int name)
{
    socklen_t size = sizeof(int);
    int value = -1;

    assert_int_equal(getsockopt(mail_connection_socket(ends->connection), level, name, &value, &size), 0);
    return value;
}

/* Silence ends nothing, a server that is gone does: minutes, not hours. */
static void a_server_that_is_gone_is_asked_for(void **state)
{
    struct ends ends;

    (void)state;
    begin(&ends, false, "");
    say(ends.to_pipe, "b IDLE\r\n");
    expect(ends.server, "b IDLE\r\n"); /* so it has begun */
    assert_int_equal(tcp_option(&ends, SOL_SOCKET, SO_KEEPALIVE), 1);
    assert_true(tcp_option(&ends, IPPROTO_TCP, TCP_KEEPIDLE) <= 120); /* NAT forgets after as little as 5 minutes */
    assert_true(tcp_option(&ends, IPPROTO_TCP, TCP_KEEPINTVL) <= 60);
    assert_in_range(tcp_option(&ends, IPPROTO_TCP, TCP_USER_TIMEOUT), 120 * 1000, 600 * 1000);
    close(ends.server);
    expect_end(ends.from_pipe);
    assert_int_equal(end(&ends), BEARER_OK);
    close(ends.to_pipe);
    close(ends.from_pipe);
}

/* ------------------------------------------------------------------ ends */

/* More than a pipe holds, so that some of it waits in here when the server is gone. */
static void a_server_that_ended_is_read_to_its_last_byte(void **state)
{
    static char sent[100000], got[100000];
    struct ends ends;
    size_t length = 0;

    (void)state;
    for (size_t i = 0; i < sizeof sent; i++)
        sent[i] = (char)(i * 31 + (i >> 8));
    begin(&ends, false, "");
    assert_int_equal(write(ends.server, sent, sizeof sent), sizeof sent);
    close(ends.server);
    while (length < sizeof got) {
        ssize_t count = read(ends.from_pipe, got + length, sizeof got - length);

        assert_true(count > 0);
        length += (size_t)count;
    }
    expect_end(ends.from_pipe);
    assert_memory_equal(got, sent, sizeof sent);
    assert_int_equal(end(&ends), BEARER_OK);
    close(ends.to_pipe);
    close(ends.from_pipe);
}

static void a_program_that_ended_still_gets_its_answer(void **state)
{
    struct ends ends;

    (void)state;
    begin(&ends, false, "");
    say(ends.to_pipe, "a NOOP\r\n");
    close(ends.to_pipe);
    expect(ends.server, "a NOOP\r\n");
    say(ends.server, "a OK\r\n");
    expect(ends.from_pipe, "a OK\r\n");
    close(ends.server);
    expect_end(ends.from_pipe);
    assert_int_equal(end(&ends), BEARER_OK);
    close(ends.from_pipe);
}

/* Longer than the pipe has patience with a server that nobody asked for anything. */
static void a_slow_answer_arrives_though_the_program_ended(void **state)
{
    const struct timespec while_it_works = { .tv_sec = 6 };
    struct ends ends;
    char byte;

    (void)state;
    begin(&ends, false, "");
    say(ends.to_pipe, "a SEARCH TEXT x\r\n");
    close(ends.to_pipe);
    expect(ends.server, "a SEARCH TEXT x\r\n");
    nanosleep(&while_it_works, NULL);
    /* Nor was it told that the program has ended: it might give up then. */
    assert_int_equal(recv(ends.server, &byte, 1, MSG_DONTWAIT), -1);
    say(ends.server, "a OK\r\n");
    expect(ends.from_pipe, "a OK\r\n");
    close(ends.server);
    expect_end(ends.from_pipe);
    assert_int_equal(end(&ends), BEARER_OK);
    close(ends.from_pipe);
}

/* A server that waits for another command is told that none will come. */
static void a_program_that_ended_does_not_keep_the_server(void **state)
{
    struct ends ends;

    (void)state;
    begin(&ends, false, "");
    close(ends.to_pipe);
    expect_end(ends.server);
    say(ends.server, "* BYE\r\n"); /* which is heard: only one direction has ended */
    expect(ends.from_pipe, "* BYE\r\n");
    close(ends.server);
    assert_int_equal(end(&ends), BEARER_OK);
    close(ends.from_pipe);
}

static void what_a_program_said_last_arrives_though_it_is_gone(bool one_socket)
{
    struct ends ends;

    begin(&ends, one_socket, "");
    say(ends.to_pipe, "a LOGOUT\r\n");
    close(ends.to_pipe);
    if (!one_socket)
        close(ends.from_pipe);
    expect(ends.server, "a LOGOUT\r\n");
    say(ends.server, "* BYE\r\n");
    expect_end(ends.server);
    close(ends.server);
    assert_int_equal(end(&ends), BEARER_OK);
}

static void a_program_that_is_gone_ends_it_with_pipes(void **state)
{
    (void)state;
    what_a_program_said_last_arrives_though_it_is_gone(false);
}

static void a_program_that_is_gone_ends_it_with_one_socket(void **state)
{
    (void)state;
    what_a_program_said_last_arrives_though_it_is_gone(true);
}

static void reset(int fd)
{
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };

    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(fd);
}

static void a_server_that_hangs_up_is_told_of_unless_it_was_asked_to(void **state)
{
    static const struct {
        const char *last;
        enum bearer_status st;
    } rows[] = {
        { "a FETCH 1 BODY[]\r\n", BEARER_PEER },
        { "a LOGOUT\r\n", BEARER_OK },
        { "abc logout\r\n", BEARER_OK },
        { "QUIT\r\n", BEARER_OK },
        { "quit\n", BEARER_OK },
        { "LIST\r\nQUIT\r\n", BEARER_OK },
        { "NOQUIT\r\n", BEARER_PEER },
        { "QUIT\r\nSTAT\r\n", BEARER_PEER },
        { "QUIT", BEARER_PEER }, /* so far */
    }, *row;

    (void)state;
    for_each_row(row, rows)
    {
        struct ends ends;

        begin(&ends, false, "");
        say(ends.to_pipe, row->last);
        expect(ends.server, row->last);
        reset(ends.server);
        expect_end(ends.from_pipe);
        if (end(&ends) != row->st)
            fail_msg("%s", row->last);
        close(ends.to_pipe);
        close(ends.from_pipe);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(much_goes_both_ways_at_once_through_pipes),
        cmocka_unit_test(much_goes_both_ways_at_once_through_one_socket),
        cmocka_unit_test(what_the_program_said_before_comes_first),
        cmocka_unit_test(the_program_s_pipes_are_left_as_they_are),
        cmocka_unit_test(a_server_that_is_gone_is_asked_for),
        cmocka_unit_test(a_server_that_ended_is_read_to_its_last_byte),
        cmocka_unit_test(a_program_that_ended_still_gets_its_answer),
        cmocka_unit_test(a_slow_answer_arrives_though_the_program_ended),
        cmocka_unit_test(a_program_that_ended_does_not_keep_the_server),
        cmocka_unit_test(a_program_that_is_gone_ends_it_with_pipes),
        cmocka_unit_test(a_program_that_is_gone_ends_it_with_one_socket),
        cmocka_unit_test(a_server_that_hangs_up_is_told_of_unless_it_was_asked_to),
    };

    return run_group("pipe", tests);
}
