/* check_trial.c - see check_trial.h
 *
 * The child forks and does not exec: all that a host does before it logs in is done in it, from its name on, and all that is
 * loaded is gone with it.  For SMTP, where Postfix is the host, it goes smtp(8)'s way: master(8)'s environment, libsasl2
 * initialised as root, then the jail and the user.  What it finds it leaves in memory that both share, so that even one that
 * has to be ended tells how far it got. */
#include "tool/check_trial.h"

#include "credential/clock.h"
#include "credential/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE 30000 /* ms for a server */
#define GRACE    2000  /* ms more until the child is ended: getaddrinfo() knows no deadline */

/* ------------------------------------------------------------------ in the child: a message */

static void put_date(char *out, size_t size)
{
    time_t now = (time_t)bearer_now();
    struct tm parts;

    strftime(out, size, "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now, &parts));
}

/* Nobody else's name for a message. */
static unsigned long long random_number(void)
{
    unsigned long long number = 0;

    return getrandom(&number, sizeof number, 0) == (ssize_t)sizeof number ? number : (unsigned long long)bearer_monotonic();
}

static enum bearer_status send_text(struct mail_session *session, const struct trial_order *order, struct bearer_error *err)
{
    const char *domain = strrchr(order->user, '@');
    char date[64], *text;
    enum bearer_status st;

    put_date(date, sizeof date);
    text = bearer_text_format(
        "From: <%s>\r\nTo: <%s>\r\nSubject: Test by sasl-bearer check\r\nDate: %s\r\nMessage-ID: "
        "<%016llx.%lld.sasl-bearer%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=us-ascii\r\n\r\nIf you can read this, %s can send mail with an "
        "OAuth 2.0 token.\r\n.",
        order->user, order->send_to, date, random_number(), (long long)bearer_now(), domain != NULL ? domain : "@localhost",
        order->user);
    if (text == NULL)
        return bearer_fail(err, BEARER_NOMEM, "out of memory");
    st = mail_session_answer(session, text, strlen(text), err);
    free(text);
    return st;
}

static enum bearer_status send_message(struct mail_session *session, const struct trial_order *order,
                                       struct bearer_error *err)
{
    enum bearer_status st = mail_session_command(session, err, "RCPT TO:<%s>", order->send_to);

    if (st == BEARER_OK)
        st = mail_session_command(session, err, "DATA");
    return st == BEARER_OK ? send_text(session, order, err) : st;
}

/* ------------------------------------------------------------------ in the child: the login */

static void take_line(void *context, char direction, const char *line)
{
    struct trial *trial = context;
    size_t used = strlen(trial->transcript);

    snprintf(trial->transcript + used, sizeof trial->transcript - used, "%c %s\n", direction, line);
}

/* Servers may let somebody in and close the mailbox only when it is used: so use it, in a way that changes nothing. */
static enum bearer_status use_mailbox(struct trial *trial, const struct trial_order *order, struct bearer_error *err)
{
    struct mail_session *session = &trial->session;
    enum bearer_status st;

    switch (order->address.protocol) {
    case MAIL_IMAP:
        return mail_session_command(session, err, "EXAMINE INBOX");
    case MAIL_POP3:
        return mail_session_command(session, err, "STAT");
    case MAIL_SMTP:
        break;
    }
    st = mail_session_command(session, err, "MAIL FROM:<%s>", order->user);
    if (st == BEARER_OK && order->send_to != NULL) {
        trial->end = TRIAL_OPENED;
        return send_message(session, order, err);
    }
    return st == BEARER_OK ? mail_session_command(session, err, "RSET") : st;
}

static enum bearer_status log_in(struct trial *trial, const struct trial_order *order, const struct mail_trust *trust,
                                 struct bearer_error *err)
{
    struct mail_session *session = &trial->session;
    enum bearer_status st = mail_session_open(session, &order->address, trust, bearer_monotonic() + PATIENCE, err);

    if (st == BEARER_OK)
        st = mail_login(session, order->user, &trial->login, err);
    if (st == BEARER_OK) {
        trial->end = TRIAL_LOGGED_IN;
        st = use_mailbox(trial, order, err);
    }
    if (st == BEARER_OK)
        trial->end = order->send_to != NULL && order->address.protocol == MAIL_SMTP ? TRIAL_SENT : TRIAL_OPENED;
    mail_session_close(session);
    return st;
}

static enum bearer_status be_the_host(struct trial *trial, const struct trial_order *order, struct bearer_error *err)
{
    static char smtp[] = "smtp";
    enum bearer_status st;

    signal(SIGPIPE, SIG_IGN);
    if (order->jail != NULL) {
        program_invocation_short_name = smtp;
        jail_set_environment(order->jail);
    }
    if ((st = environment_pass_on(order->choice, err)) == BEARER_OK)
        st = mail_login_prepare(&trial->login, err);
    return st == BEARER_OK && order->jail != NULL ? jail_enter(order->jail, err) : st;
}

static void be_child(struct trial *trial, const struct trial_order *order)
{
    struct mail_trust *trust = NULL;

    trial->session.trace = take_line;
    trial->session.trace_context = trial;
    if (mail_trust_new(order->ca_file, &trust, &trial->err) == BEARER_OK &&
        be_the_host(trial, order, &trial->err) == BEARER_OK)
        (void)log_in(trial, order, trust, &trial->err);
    trial->ended = true;
    _exit(0); /* nothing of the parent's is flushed or ended here */
}

/* ------------------------------------------------------------------ the child's life */

/* Waits until nobody holds the other end of the pipe any more, or time is over. */
static void wait_for_end(int pipe_end)
{
    struct pollfd poller = { .fd = pipe_end, .events = POLLIN };
    int64_t end = bearer_monotonic() + PATIENCE + GRACE, left = PATIENCE + GRACE;

    while (left > 0 && poll(&poller, 1, (int)left) < 0 && errno == EINTR)
        left = end - bearer_monotonic();
}

/* Ends the child; most have ended themselves.  What crashes it is not ours: libsasl2 loads every plugin there is. */
static void end_child(pid_t pid, struct bearer_error *err)
{
    int status = 0;

    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        bearer_fail(err, BEARER_LOCAL, "the process that logs in crashes: signal %d (%s)", WTERMSIG(status),
                    strsignal(WTERMSIG(status)));
}

static void run_child(struct trial *trial, const struct trial_order *order)
{
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) != 0) {
        bearer_fail(&trial->err, BEARER_LOCAL, "cannot make a pipe: %m");
        return;
    }
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        be_child(trial, order);
    }
    close(ends[1]);
    if (pid > 0) {
        wait_for_end(ends[0]);
        end_child(pid, &trial->err);
    } else {
        bearer_fail(&trial->err, BEARER_LOCAL, "cannot start a process: %m");
    }
    close(ends[0]);
}

/* It may have been written by somebody else's user. */
static void distrust(struct trial *trial)
{
    trial->err.text[sizeof trial->err.text - 1] = '\0';
    trial->session.reply[sizeof trial->session.reply - 1] = '\0';
    trial->login.mechanism[sizeof trial->login.mechanism - 1] = '\0';
    trial->login.log[sizeof trial->login.log - 1] = '\0';
    trial->login.trouble[sizeof trial->login.trouble - 1] = '\0';
    trial->transcript[sizeof trial->transcript - 1] = '\0';
    if (!trial->ended)
        bearer_fail(&trial->err, BEARER_LATER, "no end in time");
}

struct trial *trial_run(const struct trial_order *order)
{
    struct trial *trial = mmap(NULL, sizeof *trial, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (trial == MAP_FAILED)
        return NULL;
    run_child(trial, order);
    distrust(trial);
    return trial;
}

void trial_free(struct trial **trial)
{
    if (*trial != NULL)
        munmap(*trial, sizeof **trial);
    *trial = NULL;
}
