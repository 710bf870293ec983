/* mail_connection.h - bytes to and from a mail server: TCP, then TLS, line by line.
 *
 * OpenSSL does TLS, for mail needs it in the middle of a conversation (STARTTLS), and its words for what is wrong with a
 * certificate.  TCP is a page of our own: all addresses are tried as RFC 8305 has it, a quarter of a second apart.
 *
 * The program ignores SIGPIPE.  One deadline rules all that is done with a connection, but for the resolver, which knows
 * none. Texts name what failed, not the server: whoever called knows it.  Statuses: BEARER_LATER the network, BEARER_PEER
 * the server, BEARER_CONFIG the certificates to trust, BEARER_NOMEM. */
#ifndef TOOL_MAIL_CONNECTION_H
#define TOOL_MAIL_CONNECTION_H

#include "credential/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Whom to trust.  Read from files once, so that it works in a chroot jail later. */
struct mail_trust;

/* Gives the certificates in a PEM file.  BEARER_CONFIG: it cannot be read, or holds none. */
enum bearer_status mail_trust_new(const char *ca_file, struct mail_trust **trust_out, struct bearer_error *err);
void mail_trust_free(struct mail_trust **trust);

struct mail_connection;

/* Connects to the first address of a host that answers.  deadline: milliseconds of CLOCK_MONOTONIC. */
enum bearer_status mail_connection_open(const char *host, const char *port, int64_t deadline,
                                        struct mail_connection **connection_out, struct bearer_error *err);
void mail_connection_close(struct mail_connection **connection);

/* Goes on encrypted, from TLS 1.2 on, with a server whose certificate is good for that host; an address counts as one.  What
 * came before and was not read yet is an attacker's (RFC 3207 section 4.2): BEARER_PEER. */
enum bearer_status mail_connection_encrypt(struct mail_connection *connection, const struct mail_trust *trust,
                                           const char *host, struct bearer_error *err);

/* Reads a line into size bytes, without its end.  BEARER_PEER also where it is longer, or the server is gone. */
enum bearer_status mail_connection_read_line(struct mail_connection *connection, char *line, size_t size,
                                             struct bearer_error *err);

enum bearer_status mail_connection_write(struct mail_connection *connection, const char *bytes, size_t length,
                                         struct bearer_error *err);

/* ---- for those who carry bytes both ways: nothing here waits, and the deadline counts no more */

/* Lends the socket, to be poll(2)ed. */
int mail_connection_socket(const struct mail_connection *connection);

/* As read(2) and write(2), but that -1 has two meanings: *events_out tells what the socket has to be polled for before it is
 * tried again; where it is 0 the connection broke.  read: 0 = the server has ended it, in due form. */
ssize_t mail_connection_read_some(struct mail_connection *connection, void *bytes, size_t size, short *events_out);
ssize_t mail_connection_write_some(struct mail_connection *connection, const void *bytes, size_t length, short *events_out);

/* Tells the server that nothing more will come. */
void mail_connection_finish(struct mail_connection *connection);

/* Writes "address;port" of either end, the form libsasl2 wants; "" if that is not known. */
void mail_connection_ends(const struct mail_connection *connection, char *local, char *remote, size_t size);

#endif
