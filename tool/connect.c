/* connect.c - sasl-bearer connect: logs in to a mail server, then is a pipe to it for a program that cannot log in itself.
 *
 * Whatever goes wrong the program hears in its own protocol, for it may be the only one that tells its user. */
#include "credential/clock.h"
#include "credential/places.h"
#include "tool/command.h"
#include "tool/greeting.h"
#include "tool/mail_login.h"
#include "tool/mail_servers.h"
#include "tool/pipe.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define PATIENCE 60000 /* ms until the login has to be done */

struct job {
    struct bearer_context *context;
    const struct arguments *arguments;
    struct mail_address address;
    bool host_is_missing; /* it is to be the service's */
    struct mail_session session;
    struct mail_login login;
};

/* ------------------------------------------------------------------ where to */

/* As mail_address_parse(), but that the host may be left out, as in imaps:// */
static enum bearer_status read_url(struct job *job, const char *url, struct bearer_error *err)
{
    size_t length = strlen(url);
    char filled[32];

    job->host_is_missing = length > 3 && length < 12 && strcmp(url + length - 3, "://") == 0;
    if (!job->host_is_missing)
        return mail_address_parse(url, &job->address, err);
    snprintf(filled, sizeof filled, "%shost", url);
    return mail_address_parse(filled, &job->address, err);
}

static enum bearer_status fill_host(struct job *job, const struct bearer_account *account, struct bearer_error *err)
{
    static const struct arguments nothing_said = { .list_count = 0 };
    struct mail_servers servers;
    enum bearer_status st;

    if (!job->host_is_missing)
        return BEARER_OK;
    if ((st = mail_servers_find(&nothing_said, account, &servers, err)) != BEARER_OK)
        return st;
    for (unsigned i = 0; i < servers.count; i++)
        if (servers.list[i].protocol == job->address.protocol) {
            char url[288];

            snprintf(url, sizeof url, "%s%s", job->arguments->url, servers.list[i].host);
            return mail_address_parse(url, &job->address, err);
        }
    return bearer_fail(err, BEARER_USAGE, "which mail servers this service has is not known here: name one, %sHOST",
                       job->arguments->url);
}

/* ------------------------------------------------------------------ the login */

/* What the plugin has to remark although all went well, such as that a secret ends soon.  What other plugins say is not ours
 * to tell. */
static void tell_remarks(struct job *job)
{
    char *rest = job->login.log, *line;

    while (!job->arguments->choice->quiet && (line = strsep(&rest, "\n")) != NULL)
        if (strstr(line, " cause=") != NULL)
            fprintf(stderr, "sasl-bearer: %s\n", line);
}

static enum bearer_status log_in(struct job *job, const struct bearer_account *account, struct pipe_program *program,
                                 struct bearer_error *err)
{
    const char *ca_file = account->values[OPT_CA_FILE] != NULL ? account->values[OPT_CA_FILE] : bearer_system_ca_file();
    struct mail_trust *trust = NULL;
    enum bearer_status st;

    if ((st = mail_trust_new(ca_file, &trust, err)) == BEARER_OK &&
        (st = mail_login_prepare(&job->login, err)) == BEARER_OK &&
        (st = mail_session_open(&job->session, &job->address, trust, bearer_monotonic() + PATIENCE, err)) == BEARER_OK &&
        (st = mail_login(&job->session, job->arguments->user, &job->login, err)) == BEARER_OK)
        st = greeting_say(&job->session, job->arguments->user, program, err);
    if (st == BEARER_OK)
        tell_remarks(job);
    else
        bearer_error_prepend(err, "%s: ", job->address.url);
    mail_trust_free(&trust); /* OpenSSL counts who uses it */
    return st;
}

static enum bearer_status open_session(struct job *job, struct pipe_program *program, struct bearer_error *err)
{
    const struct bearer_account *account;
    struct bearer_holder *holder;
    enum bearer_status st;

    if ((st = environment_pass_on(job->arguments->choice, err)) != BEARER_OK ||
        (st = bearer_context_find(job->context, job->arguments->user, &holder, err)) != BEARER_OK)
        return st;
    account = bearer_holder_account(holder);
    if (account->provider->flags & BEARER_WANTS_PASSWORD)
        return bearer_fail(err, BEARER_CONFIG,
                           "%s: the program is to bring the token (provider password_field), and the one "
                           "that connect serves has none",
                           job->arguments->user);
    if ((st = fill_host(job, account, err)) != BEARER_OK)
        return st;
    job->login.keeps_notes = job->arguments->choice->verbose;
    return log_in(job, account, program, err);
}

/* ------------------------------------------------------------------ the command */

/* Where a program left one of the three closed, the connection would take its place. */
static void fill_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", O_RDWR); /* the lowest that is free */
}

/* A server that refuses before anybody logged in is busy.  What a refusal of the login means, the doctor knows. */
static void explain_refusal(const struct job *job, struct bearer_error *err)
{
    char refusal[sizeof err->text];

    snprintf(refusal, sizeof refusal, "%s", err->text);
    bearer_error_clear(err);
    if (job->session.stage < MAIL_LOGGING_IN)
        bearer_fail(err, BEARER_LATER, "%s", refusal);
    else
        bearer_fail(err, BEARER_REFUSED, "%.450s: what that means tells sasl-bearer check --server %.100s %.100s", refusal,
                    job->address.url, job->arguments->user);
}

static int refuse(const struct job *job, struct bearer_error *err)
{
    if (err->status == BEARER_REFUSED && job->session.stage != MAIL_NOT_BEGUN && job->login.trouble[0] == '\0')
        explain_refusal(job, err);
    greeting_refuse(STDOUT_FILENO, &job->address, err->text);
    return command_fail(err);
}

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    struct pipe_program program = { .in = STDIN_FILENO, .out = STDOUT_FILENO, .said = "" };
    struct job job = { .context = context, .arguments = arguments };
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st;
    int result = EX_OK;

    fill_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    if (read_url(&job, arguments->url, &err) != BEARER_OK)
        return command_fail(&err);
    if ((st = open_session(&job, &program, &err)) != BEARER_OK) {
        result = refuse(&job, &err);
    } else if ((st = pipe_carry(job.session.connection, &program, &err)) != BEARER_OK) {
        bearer_error_prepend(&err, "%s: ", job.address.url);
        result = command_fail(&err);
    }
    if (st == BEARER_OK)
        mail_connection_close(&job.session.connection); /* goodbye was said by whoever wanted to */
    else
        mail_session_close(&job.session);
    return result;
}

const struct command command_connect = {
    .name = "connect",
    .synopsis = "URL USER",
    .summary = "log in to a mail server, then be a pipe to it",
    .help =
        "URL is imaps://HOST[:PORT], imap:// (with STARTTLS), pop3s://, pop3://, smtp:// or smtps://. Without a host it\n"
        "is the service's own: imaps://\n\n"
        "For programs that can talk to a command in place of a server, such as fetchmail (plugin), mutt (tunnel)\n"
        "and mbsync (Tunnel). They are logged in already; with POP3 they may log in with any password.\n\n",
    .user = USER_REQUIRED,
    .wants_url = true,
    .run = run,
};
