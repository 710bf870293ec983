/* listener.c - see listener.h
 *
 * libmicrohttpd, without threads: each of the two sockets has a daemon, whose epoll descriptor is polled by who waits.
 */
#include "tool/listener.h"

#include "credential/clock.h"
#include "credential/secret.h"
#include "tool/redirect.h"

#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG           16
#define PORT_TRIES        50    /* for one that is free in both families */
#define CONNECTIONS       16    /* at once, each family: browsers open some in advance */
#define CONNECTION_MEMORY 65536 /* bytes for each; an answer has 2 to 4 kB */
#define CONNECTION_TIME   10    /* seconds for a request to come in */
#define DELIVERY_TIME     6000  /* ms for the last page to get to the browser */

struct listener {
    struct redirect redirect;
    char uri[300];
    char *state;
    struct MHD_Daemon *daemons[LISTENER_DESCRIPTORS];
    unsigned count;              /* of daemons */
    char *answer;                /* NULL = none yet */
    struct MHD_Connection *held; /* who brought it, and waits */
    struct MHD_Response *page;   /* what it gets */
};

static enum bearer_status out_of_memory(struct bearer_error *err)
{
    return bearer_fail(err, BEARER_NOMEM, "out of memory");
}

/* ------------------------------------------------------------------ replies */

static struct MHD_Response *new_response(const char *text, const char *type)
{
    static const char *const headers[][2] = {
        { MHD_HTTP_HEADER_CACHE_CONTROL, "no-store" },
        { "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
                                     "frame-ancestors 'none'" },
        { "Referrer-Policy", "no-referrer" }, /* the address has the code in it */
        { "X-Content-Type-Options", "nosniff" },
        { MHD_HTTP_HEADER_CONNECTION, "close" },
    };
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

    if (response == NULL)
        return NULL;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++)
        MHD_add_response_header(response, headers[i][0], headers[i][1]);
    return response;
}

static enum MHD_Result turn_away(struct MHD_Connection *connection, unsigned status, const char *text)
{
    struct MHD_Response *response = new_response(text, "text/plain; charset=utf-8");
    enum MHD_Result result;

    if (response == NULL)
        return MHD_NO; /* closes the connection */
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, MHD_HTTP_METHOD_GET);
    result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* ------------------------------------------------------------------ requests */

/* Keeps a request's target just as it came, for libmicrohttpd decodes it.  What is returned belongs to the request. */
static void *keep_target(void *context, const char *target, struct MHD_Connection *connection)
{
    (void)context;
    (void)connection;
    return strdup(target);
}

static void forget_request(void *context, struct MHD_Connection *connection, void **target,
                           enum MHD_RequestTerminationCode why)
{
    struct listener *listener = context;

    (void)why;
    if (connection == listener->held)
        listener->held = NULL;
    bearer_wipe_string(*target);
    free(*target);
    *target = NULL;
}

/* The answer has come: who brought it waits until it is known what to say. */
static enum MHD_Result hold(struct listener *listener, struct MHD_Connection *connection, const char *target)
{
    if (listener->page != NULL)
        return MHD_queue_response(connection, MHD_HTTP_OK, listener->page);
    if (listener->answer != NULL)
        return turn_away(connection, MHD_HTTP_CONFLICT, "This answer was already taken: see what the program says.\n");
    if ((listener->answer = strdup(redirect_query(target))) == NULL)
        return MHD_NO;
    listener->held = connection;
    MHD_suspend_connection(connection);
    return MHD_YES;
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                                  const char *version, const char *upload, size_t *upload_size, void **target)
{
    struct listener *listener = context;
    const char *host = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_HOST);

    (void)path;
    (void)version;
    (void)upload;
    (void)upload_size;
    if (*target == NULL)
        return MHD_NO;
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return turn_away(connection, MHD_HTTP_METHOD_NOT_ALLOWED, "Only GET is answered here.\n");
    if (!redirect_has_host(&listener->redirect, host))
        return turn_away(connection, MHD_HTTP_BAD_REQUEST, "This is not the address that was asked for.\n");
    if (!redirect_has_path(&listener->redirect, *target))
        return turn_away(connection, MHD_HTTP_NOT_FOUND, "There is nothing here.\n");
    if (redirect_state(redirect_query(*target), listener->state) != REDIRECT_STATE_RIGHT)
        return turn_away(connection, MHD_HTTP_BAD_REQUEST,
                         "This is not the answer to the sign-in that is waited for here.\n");
    return hold(listener, connection, *target);
}

/* ------------------------------------------------------------------ sockets */

/* Gives a socket that listens on the loopback address of a family, or -1 and errno.  *port: 0 = any, then the one it got. */
static int listen_on(int family, unsigned *port)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)*port),
                              .sin_addr = { htonl(INADDR_LOOPBACK) } };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6,
                               .sin6_port = htons((uint16_t)*port),
                               .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t length = family == AF_INET ? sizeof v4 : sizeof v6;
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1, error;

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* connections of the sign-in before may linger */
    if (bind(fd, address, length) == 0 && listen(fd, BACKLOG) == 0 && getsockname(fd, address, &length) == 0) {
        *port = ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
        return fd;
    }
    error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* Whether an error says that a machine has no such addresses at all. */
static bool is_without_family(int error)
{
    return error == EAFNOSUPPORT || error == EADDRNOTAVAIL || error == EPROTONOSUPPORT;
}

/* Listens on one port of both families; -1 where there is no such family.  False: errno says why. */
static bool listen_on_both(unsigned *port, int fds_out[LISTENER_DESCRIPTORS])
{
    unsigned wanted = *port;

    for (int i = 0; i < PORT_TRIES; i++) {
        *port = wanted;
        fds_out[0] = listen_on(AF_INET, port);
        if (fds_out[0] < 0 && !is_without_family(errno))
            return false;
        fds_out[1] = listen_on(AF_INET6, port);
        if (fds_out[1] >= 0 || (fds_out[0] >= 0 && is_without_family(errno)))
            return true;
        if (fds_out[0] >= 0)
            close(fds_out[0]);
        if (wanted != 0 || errno != EADDRINUSE)
            return false;
    }
    return false;
}

/* Takes the socket. */
static struct MHD_Daemon *start_daemon(struct listener *listener, int fd)
{
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, listener, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_URI_LOG_CALLBACK, keep_target, listener, MHD_OPTION_NOTIFY_COMPLETED, forget_request, listener,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CONNECTION_TIME,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);

    if (daemon == NULL)
        close(fd);
    return daemon;
}

static enum bearer_status open_sockets(struct listener *listener, struct bearer_error *err)
{
    int fds[LISTENER_DESCRIPTORS];
    bool all = true;

    if (!listen_on_both(&listener->redirect.port, fds))
        return bearer_fail(err, BEARER_LOCAL, "cannot listen on this machine for the end of the sign-in, on port %u: %m",
                           listener->redirect.port);
    for (unsigned i = 0; i < LISTENER_DESCRIPTORS; i++) {
        if (fds[i] < 0)
            continue;
        if ((listener->daemons[listener->count] = start_daemon(listener, fds[i])) != NULL)
            listener->count++;
        else
            all = false;
    }
    return all ? BEARER_OK : out_of_memory(err);
}

/* ------------------------------------------------------------------ for who waits */

/* Opens sockets if the redirect URI is for us, and says what it comes to. */
static enum bearer_status settle(struct listener *listener, const char *redirect_uri, struct bearer_error *err)
{
    enum bearer_status st;

    if (redirect_parse(redirect_uri, &listener->redirect)) {
        if ((st = open_sockets(listener, err)) != BEARER_OK)
            return st;
        if (redirect_write(&listener->redirect, listener->uri, sizeof listener->uri))
            return BEARER_OK;
    } else if (strlen(redirect_uri) < sizeof listener->uri) {
        strcpy(listener->uri, redirect_uri);
        return BEARER_OK;
    }
    return bearer_fail(err, BEARER_CONFIG, "oauth2_redirect_uri is too long");
}

enum bearer_status listener_new(const char *redirect_uri, const char *state, struct listener **listener_out,
                                struct bearer_error *err)
{
    struct listener *listener = calloc(1, sizeof *listener);
    enum bearer_status st;

    *listener_out = NULL;
    if (listener == NULL || (listener->state = strdup(state)) == NULL) {
        free(listener);
        return out_of_memory(err);
    }
    if ((st = settle(listener, redirect_uri, err)) == BEARER_OK)
        *listener_out = listener;
    else
        listener_finish(&listener, NULL);
    return st;
}

bool listener_is_open(const struct listener *listener)
{
    return listener->count > 0;
}

const char *listener_uri(const struct listener *listener)
{
    return listener->uri;
}

unsigned listener_descriptors(const struct listener *listener, int descriptors_out[LISTENER_DESCRIPTORS])
{
    for (unsigned i = 0; i < listener->count; i++)
        descriptors_out[i] = MHD_get_daemon_info(listener->daemons[i], MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    return listener->count;
}

int64_t listener_run(struct listener *listener, int64_t milliseconds)
{
    for (unsigned i = 0; i < listener->count; i++) {
        MHD_UNSIGNED_LONG_LONG most;

        MHD_run(listener->daemons[i]);
        if (MHD_get_timeout(listener->daemons[i], &most) == MHD_YES && most < (MHD_UNSIGNED_LONG_LONG)milliseconds)
            milliseconds = (int64_t)most;
    }
    return milliseconds;
}

enum listener_taken listener_take(struct listener *listener, const char *address)
{
    const char *parameters = strchr(address, '?') != NULL ? redirect_query(address) : address;
    char *answer = strndup(parameters, strcspn(parameters, "#"));
    enum redirect_state found = answer != NULL ? redirect_state(answer, listener->state) : REDIRECT_STATE_NONE;

    if (found == REDIRECT_STATE_RIGHT && listener->answer == NULL) {
        listener->answer = answer;
        return LISTENER_TAKEN;
    }
    bearer_wipe_string(answer);
    free(answer);
    return found == REDIRECT_STATE_NONE ? LISTENER_NO_ANSWER : LISTENER_OTHER_ANSWER;
}

const char *listener_answer(const struct listener *listener)
{
    return listener->answer;
}

/* Hands the page to who waits, until it has it or is gone. */
static void deliver(struct listener *listener)
{
    struct pollfd polled[LISTENER_DESCRIPTORS];
    int fds[LISTENER_DESCRIPTORS];
    unsigned count = listener_descriptors(listener, fds);
    int64_t until = bearer_monotonic() + DELIVERY_TIME, now, pause;

    for (unsigned i = 0; i < count; i++)
        polled[i] = (struct pollfd){ fds[i], POLLIN, 0 };
    while ((now = bearer_monotonic()) < until) {
        pause = listener_run(listener, until - now);
        if (listener->held == NULL)
            return;
        poll(polled, count, (int)pause);
    }
}

void listener_finish(struct listener **listener_in, const char *page)
{
    struct listener *listener = *listener_in;

    if (listener == NULL)
        return;
    if (page != NULL)
        listener->page = new_response(page, "text/html; charset=utf-8");
    if (listener->held != NULL)
        MHD_resume_connection(listener->held);
    if (listener->held != NULL && listener->page != NULL)
        deliver(listener);
    for (unsigned i = 0; i < listener->count; i++)
        MHD_stop_daemon(listener->daemons[i]);
    if (listener->page != NULL)
        MHD_destroy_response(listener->page);
    bearer_wipe_string(listener->answer);
    free(listener->answer);
    free(listener->state);
    free(listener);
    *listener_in = NULL;
}
