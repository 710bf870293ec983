/* mail_connection.c - see mail_connection.h */
#include "tool/mail_connection.h"

#include "credential/clock.h"
#include "credential/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDRESS_MAX   8   /* addresses of a host that are tried */
#define ADDRESS_PAUSE 250 /* ms before the next one is tried beside it (RFC 8305 section 5) */
#define BUFFER_SIZE   4096
#define READ_AHEAD    65536 /* bytes that are taken from the socket at once: some records of TLS */

struct mail_connection {
    int socket;
    SSL *tls; /* NULL = plain */
    int64_t deadline;
    char buffer[BUFFER_SIZE]; /* what came and was not asked for yet */
    size_t begin, end;
};

/* ------------------------------------------------------------------ trust */

/* OpenSSL's first reason of those it has for the last failure. */
static const char *openssl_reason(void)
{
    unsigned long code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return reason != NULL ? reason : "no reason given";
}

enum bearer_status mail_trust_new(const char *ca_file, struct mail_trust **trust_out, struct bearer_error *err)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());

    *trust_out = NULL;
    if (context == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1); /* not a system call for each record's header */
    SSL_CTX_set_default_read_buffer_len(context, READ_AHEAD);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_file(context, ca_file) != 1) {
        SSL_CTX_free(context);
        return bearer_fail(err, BEARER_CONFIG, "the certificates to trust in '%s' cannot be used: %s", ca_file,
                           openssl_reason());
    }
    *trust_out = (struct mail_trust *)context;
    return BEARER_OK;
}

void mail_trust_free(struct mail_trust **trust)
{
    SSL_CTX_free((SSL_CTX *)*trust);
    *trust = NULL;
}

/* ------------------------------------------------------------------ TCP */

/* The connections that are being tried to a host. */
struct race {
    struct pollfd runners[ADDRESS_MAX]; /* fd -1 = out of it */
    unsigned count;
    int error; /* errno of the first that failed: those behind it may be of a family that this machine has not got */
};

/* Puts the families by turns (RFC 8305 section 4): one that is broken costs one pause, not one for each of its addresses. */
static unsigned by_turns(const struct addrinfo *list, const struct addrinfo *turns[ADDRESS_MAX])
{
    const struct addrinfo *next[2] = { list, list };
    int family = list->ai_family;
    unsigned count = 0, empty = 0;

    for (unsigned turn = 0; empty < 2 && count < ADDRESS_MAX; turn ^= 1) {
        while (next[turn] != NULL && (next[turn]->ai_family == family) != (turn == 0))
            next[turn] = next[turn]->ai_next;
        empty = next[turn] == NULL ? empty + 1 : 0;
        if (next[turn] != NULL) {
            turns[count++] = next[turn];
            next[turn] = next[turn]->ai_next;
        }
    }
    return count;
}

static void lose(struct race *race, int fd, int error)
{
    if (race->error == 0)
        race->error = error;
    if (fd >= 0)
        close(fd);
}

static void start_runner(struct race *race, const struct addrinfo *address)
{
    int fd = socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, address->ai_protocol);

    if (fd < 0 || (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)) {
        lose(race, fd, errno);
        fd = -1;
    }
    race->runners[race->count++] = (struct pollfd){ .fd = fd, .events = POLLOUT };
}

/* Gives the socket of a runner that has arrived, or -1. */
static int take_winner(struct race *race)
{
    for (unsigned i = 0; i < race->count; i++) {
        struct pollfd *runner = &race->runners[i];
        int error = 0, fd = runner->fd;
        socklen_t size = sizeof error;

        if (fd < 0 || runner->revents == 0)
            continue;
        runner->fd = -1;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0)
            return fd;
        lose(race, fd, error);
    }
    return -1;
}

static bool anybody_runs(const struct race *race)
{
    for (unsigned i = 0; i < race->count; i++)
        if (race->runners[i].fd >= 0)
            return true;
    return false;
}

static void end_race(struct race *race)
{
    for (unsigned i = 0; i < race->count; i++)
        if (race->runners[i].fd >= 0)
            close(race->runners[i].fd);
}

static int run_race(const struct addrinfo *list, int64_t deadline, int *error_out)
{
    const struct addrinfo *turns[ADDRESS_MAX];
    struct race race = { .count = 0 };
    unsigned total = by_turns(list, turns);
    int winner = -1;

    while (winner < 0 && bearer_monotonic() < deadline) {
        int64_t pause = deadline - bearer_monotonic();

        if (race.count < total)
            start_runner(&race, turns[race.count]);
        if (!anybody_runs(&race) && race.count == total)
            break;
        if (race.count < total && pause > ADDRESS_PAUSE)
            pause = anybody_runs(&race) ? ADDRESS_PAUSE : 0;
        if (poll(race.runners, race.count, (int)pause) > 0)
            winner = take_winner(&race);
    }
    /* Who still runs had a way to the server, and tells more than who had none. */
    *error_out = race.error == 0 || anybody_runs(&race) ? ETIMEDOUT : race.error;
    end_race(&race);
    return winner;
}

enum bearer_status mail_connection_open(const char *host, const char *port, int64_t deadline,
                                        struct mail_connection **connection_out, struct bearer_error *err)
{
    /* AI_ADDRCONFIG would take even "::1" from those without IPv6. */
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
    struct mail_connection *connection = calloc(1, sizeof *connection);
    struct addrinfo *list = NULL;
    int result, error;

    *connection_out = NULL;
    if (connection == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    connection->deadline = deadline;
    connection->socket = -1;
    if ((result = getaddrinfo(host, port, &hints, &list)) != 0) {
        bearer_fail(err, BEARER_LATER, "its name cannot be resolved: %s", gai_strerror(result));
    } else if ((connection->socket = run_race(list, deadline, &error)) < 0) {
        errno = error;
        bearer_fail(err, BEARER_LATER, "cannot connect to port %s: %m", port);
    }
    if (list != NULL)
        freeaddrinfo(list);
    *connection_out = connection;
    if (connection->socket >= 0)
        return BEARER_OK;
    mail_connection_close(connection_out);
    return BEARER_LATER;
}

void mail_connection_close(struct mail_connection **connection)
{
    if (*connection == NULL)
        return;
    SSL_free((*connection)->tls);
    if ((*connection)->socket >= 0)
        close((*connection)->socket);
    bearer_wipe(*connection, sizeof **connection);
    free(*connection);
    *connection = NULL;
}

/* ------------------------------------------------------------------ waiting */

static enum bearer_status wait_for(const struct mail_connection *connection, short events, struct bearer_error *err)
{
    struct pollfd poller = { .fd = connection->socket, .events = events };
    int64_t left = connection->deadline - bearer_monotonic();

    while (left > 0) {
        int ready = poll(&poller, 1, (int)left);

        if (ready > 0)
            return BEARER_OK;
        if (ready < 0 && errno != EINTR)
            return bearer_fail(err, BEARER_LATER, "cannot wait for the server: %m");
        left = connection->deadline - bearer_monotonic();
    }
    return bearer_fail(err, BEARER_LATER, "no answer in time");
}

/* After a call of OpenSSL that did not succeed: waits for what it wants.  Any failure is the connection's end. */
static enum bearer_status wait_for_tls(const struct mail_connection *connection, int result, struct bearer_error *err)
{
    switch (SSL_get_error(connection->tls, result)) {
    case SSL_ERROR_WANT_READ:
        return wait_for(connection, POLLIN, err);
    case SSL_ERROR_WANT_WRITE:
        return wait_for(connection, POLLOUT, err);
    case SSL_ERROR_ZERO_RETURN:
    case SSL_ERROR_SYSCALL:
        ERR_clear_error();
        return bearer_fail(err, BEARER_PEER, "the server closed the connection");
    default:
        return bearer_fail(err, BEARER_PEER, "TLS broke: %s", openssl_reason());
    }
}

/* ------------------------------------------------------------------ TLS */

/* An address stands in another part of a certificate than a name. */
static bool expect_host(SSL *tls, const char *host)
{
    X509_VERIFY_PARAM *expected = SSL_get0_param(tls);

    if (X509_VERIFY_PARAM_set1_ip_asc(expected, host) == 1)
        return true;
    ERR_clear_error();
    X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set_tlsext_host_name(tls, (char *)(uintptr_t)host) == 1 && X509_VERIFY_PARAM_set1_host(expected, host, 0) == 1;
}

static enum bearer_status shake_hands(struct mail_connection *connection, struct bearer_error *err)
{
    for (;;) {
        int result = SSL_connect(connection->tls);
        long verdict = SSL_get_verify_result(connection->tls);
        enum bearer_status st;

        if (result == 1)
            return BEARER_OK;
        if (verdict != X509_V_OK) {
            ERR_clear_error();
            return bearer_fail(err, BEARER_PEER, "its certificate cannot be trusted: %s",
                               X509_verify_cert_error_string(verdict));
        }
        if ((st = wait_for_tls(connection, result, err)) != BEARER_OK)
            return st;
    }
}

enum bearer_status mail_connection_encrypt(struct mail_connection *connection, const struct mail_trust *trust,
                                           const char *host, struct bearer_error *err)
{
    if (connection->begin != connection->end)
        return bearer_fail(err, BEARER_PEER, "it said more before TLS than it was asked for");
    connection->tls = SSL_new((SSL_CTX *)(uintptr_t)trust);
    if (connection->tls == NULL || SSL_set_fd(connection->tls, connection->socket) != 1 ||
        !expect_host(connection->tls, host))
        return bearer_fail(err, BEARER_NOMEM, "TLS cannot begin: %s", openssl_reason());
    return shake_hands(connection, err);
}

/* ------------------------------------------------------------------ bytes */

/* As read(2) and write(2), -1 with EAGAIN for "wait"; BEARER_OK in *st unless the connection is at its end. */
static ssize_t receive(struct mail_connection *connection, void *bytes, size_t size, enum bearer_status *st,
                       struct bearer_error *err)
{
    ssize_t count;

    if (connection->tls != NULL) {
        int result = SSL_read(connection->tls, bytes, (int)size);

        *st = result > 0 ? BEARER_OK : wait_for_tls(connection, result, err);
        return result;
    }
    count = recv(connection->socket, bytes, size, 0);
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
        *st = bearer_fail(err, BEARER_PEER, "the server closed the connection");
    else
        *st = count > 0 ? BEARER_OK : wait_for(connection, POLLIN, err);
    return count;
}

static ssize_t transmit(struct mail_connection *connection, const void *bytes, size_t length, enum bearer_status *st,
                        struct bearer_error *err)
{
    ssize_t count;

    if (connection->tls != NULL) {
        int result = SSL_write(connection->tls, bytes, (int)length);

        *st = result > 0 ? BEARER_OK : wait_for_tls(connection, result, err);
        return result;
    }
    count = send(connection->socket, bytes, length, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR)
        *st = bearer_fail(err, BEARER_PEER, "the server closed the connection");
    else
        *st = count > 0 ? BEARER_OK : wait_for(connection, POLLOUT, err);
    return count;
}

static enum bearer_status fill(struct mail_connection *connection, struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;
    ssize_t count = 0;

    while (st == BEARER_OK && count <= 0)
        count = receive(connection, connection->buffer, sizeof connection->buffer, &st, err);
    connection->begin = 0;
    connection->end = st == BEARER_OK ? (size_t)count : 0;
    return st;
}

enum bearer_status mail_connection_read_line(struct mail_connection *connection, char *line, size_t size,
                                             struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;
    size_t length = 0;

    for (;;) {
        char byte;

        if (connection->begin == connection->end && (st = fill(connection, err)) != BEARER_OK)
            return st;
        byte = connection->buffer[connection->begin++];
        if (byte == '\n')
            break;
        if (length + 1 == size)
            return bearer_fail(err, BEARER_PEER, "the server's line exceeds %zu bytes", size - 1);
        line[length++] = byte;
    }
    if (length > 0 && line[length - 1] == '\r')
        length--;
    line[length] = '\0';
    return BEARER_OK;
}

enum bearer_status mail_connection_write(struct mail_connection *connection, const char *bytes, size_t length,
                                         struct bearer_error *err)
{
    enum bearer_status st = BEARER_OK;

    while (length > 0 && st == BEARER_OK) {
        ssize_t count = transmit(connection, bytes, length, &st, err);

        if (count > 0) {
            bytes += count;
            length -= (size_t)count;
        }
    }
    return st;
}

/* ------------------------------------------------------------------ bytes, for those who wait themselves */

int mail_connection_socket(const struct mail_connection *connection)
{
    return connection->socket;
}

/* What a call of OpenSSL, or of recv(2) and send(2), came to.  Servers that just hang up end TLS in no due form. */
static ssize_t some(const struct mail_connection *connection, ssize_t result, short events, short *events_out)
{
    int error;

    *events_out = 0;
    if (result > 0)
        return result;
    if (connection->tls == NULL) {
        *events_out = result < 0 && (errno == EAGAIN || errno == EINTR) ? events : 0;
        return result;
    }
    error = SSL_get_error(connection->tls, (int)result);
    ERR_clear_error();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        *events_out = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

static size_t take_unread(struct mail_connection *connection, void *bytes, size_t size)
{
    size_t count = connection->end - connection->begin;

    if (count > size)
        count = size;
    memcpy(bytes, connection->buffer + connection->begin, count);
    connection->begin += count;
    return count;
}

static int at_most_int(size_t size)
{
    return size < INT_MAX ? (int)size : INT_MAX;
}

ssize_t mail_connection_read_some(struct mail_connection *connection, void *bytes, size_t size, short *events_out)
{
    *events_out = 0;
    if (connection->begin < connection->end)
        return (ssize_t)take_unread(connection, bytes, size);
    if (connection->tls != NULL)
        return some(connection, SSL_read(connection->tls, bytes, at_most_int(size)), POLLIN, events_out);
    return some(connection, recv(connection->socket, bytes, size, 0), POLLIN, events_out);
}

ssize_t mail_connection_write_some(struct mail_connection *connection, const void *bytes, size_t length, short *events_out)
{
    if (connection->tls != NULL)
        return some(connection, SSL_write(connection->tls, bytes, at_most_int(length)), POLLOUT, events_out);
    return some(connection, send(connection->socket, bytes, length, MSG_NOSIGNAL), POLLOUT, events_out);
}

void mail_connection_finish(struct mail_connection *connection)
{
    if (connection->tls != NULL)
        (void)SSL_shutdown(connection->tls);
    ERR_clear_error();
    shutdown(connection->socket, SHUT_WR);
}

/* ------------------------------------------------------------------ ends */

static void write_end(int result, const struct sockaddr_storage *address, socklen_t length, char *out, size_t size)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];

    *out = '\0';
    if (result == 0 && getnameinfo((const struct sockaddr *)address, length, host, sizeof host, port, sizeof port,
                                   NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(out, size, "%s;%s", host, port);
}

void mail_connection_ends(const struct mail_connection *connection, char *local, char *remote, size_t size)
{
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int result = getsockname(connection->socket, (struct sockaddr *)&address, &length);

    write_end(result, &address, length, local, size);
    length = sizeof address;
    result = getpeername(connection->socket, (struct sockaddr *)&address, &length);
    write_end(result, &address, length, remote, size);
}
