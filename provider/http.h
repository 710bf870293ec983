/* http.h - one HTTP request, for all providers: verified TLS, no redirects, one deadline.
 *
 * HTTPS from TLS 1.2 on, or plain HTTP to loopback literals, localhost and Azure's metadata service; at most 1 MiB of
 * answer; proxies only from oauth2_proxy, never from the environment.  One retry, within the deadline, after a connection
 * could not be made and after 429 and 5xx, unless the caller has rules of its own; Retry-After is respected.  No thread of
 * ours, no signal handler; libcurl's resolver thread gets no signals. */
#ifndef BEARER_HTTP_H
#define BEARER_HTTP_H

#include "credential/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One form field; a list ends with a NULL name.  Fields whose value is NULL are left out. */
struct http_field {
    const char *name;
    const char *value;
};

struct http_request {
    const char *url;
    const struct http_field *query; /* goes into the URL, or NULL */
    const struct http_field *form;  /* POST as application/x-www-form-urlencoded; NULL = GET */
    const char *const *headers;     /* more of them, "Name: value" without control characters, ended by NULL; or NULL */
    const char *proxy;              /* URL or NULL */
    const char *ca_file;            /* PEM or NULL = the library's default */
    const char *ca_pem;             /* wins over ca_file */
    size_t ca_pem_length;
    int64_t deadline;               /* milliseconds of CLOCK_MONOTONIC */
    int64_t connect_time;           /* milliseconds that connecting may take; 0 = until the deadline */
    bool once;                      /* no retry */
};

#define HTTP_CHALLENGE_MAX 1024 /* bytes */

struct http_reply {
    long status;         /* of the last answer */
    int64_t retry_after; /* seconds, at most a day; 0 = not told */
    int64_t date;        /* the server's clock, seconds since the epoch; 0 = not told */
    char *body;          /* NUL-terminated; NULL if it is empty */
    size_t length;
    bool is_html;        /* it says that it is a page for people */
    bool unreachable;    /* no answer came: not even a connection could be made */
    char challenge[HTTP_CHALLENGE_MAX]; /* WWW-Authenticate; empty = none, or too long */
};

#define HTTP_REPLY_INIT { 0, 0, 0, NULL, 0, false, false, "" }

/* Initialises libcurl and what is behind it; does nothing the second time.  BEARER_LOCAL if that fails. */
enum bearer_status http_prepare(struct bearer_error *err);

/* Sends the request.  BEARER_OK: an answer came, whatever its status.  BEARER_LATER: none came; the text names host and reason.
 * BEARER_CONFIG: the URL may not be talked to, or the certificates cannot be read. */
enum bearer_status http_send(const struct http_request *request, struct http_reply *reply, struct bearer_error *err);

/* Wipes and frees. */
void http_reply_clear(struct http_reply *reply);

#endif
