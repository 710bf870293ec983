/* check_logins.c - real logins, as the hosts would make them: through libsasl2 and our plugin, in a child process.
 *
 * The child forks and does not exec: all that a host does before it logs in is done in it, from its name on, and all that is
 * loaded is gone with it.  For SMTP, where Postfix is installed, it goes smtp(8)'s way: master(8)'s environment, libsasl2
 * initialised as root, then the jail and the user.  What it finds it leaves in memory that both share, so that even one that
 * has to be ended tells how far it got. */
#include "credential/clock.h"
#include "credential/places.h"
#include "credential/text.h"
#include "tool/check_token.h"
#include "tool/jail.h"
#include "tool/mail_login.h"
#include "tool/mail_servers.h"
#include "tool/server_texts.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
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

#define AREA           "login"
#define PATIENCE       30000 /* ms for a server */
#define GRACE          2000  /* ms more until the child is ended: getaddrinfo() knows no deadline */
#define TRANSCRIPT_MAX 16384

/* What is asked of a child. */
struct order {
    struct mail_address address;
    const char *user;
    const char *send_to;     /* NULL = no message */
    const char *ca_file;     /* for the mail server's certificate */
    const char *conf;        /* --conf, or NULL */
    bool user_is_left_out;   /* --system: a user's own sasl.conf does not count */
    const struct jail *jail; /* whose smtp(8) it is to be; NULL = nobody's */
};

enum end { END_NONE, END_LOGGED_IN, END_OPENED, END_SENT }; /* how far it got behind the login */

/* What comes back.  The parent believes none of it. */
struct trial {
    bool ended; /* the child came to its end */
    enum end end;
    struct bearer_error err;
    struct mail_session session;
    struct mail_login login;
    char transcript[TRANSCRIPT_MAX];
};

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

static enum bearer_status send_text(struct mail_session *session, const struct order *order, struct bearer_error *err)
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

static enum bearer_status send_message(struct mail_session *session, const struct order *order, struct bearer_error *err)
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
static enum bearer_status use_mailbox(struct trial *trial, const struct order *order, struct bearer_error *err)
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
        trial->end = END_OPENED;
        return send_message(session, order, err);
    }
    return st == BEARER_OK ? mail_session_command(session, err, "RSET") : st;
}

static enum bearer_status log_in(struct trial *trial, const struct order *order, const struct mail_trust *trust,
                                 struct bearer_error *err)
{
    struct mail_session *session = &trial->session;
    enum bearer_status st = mail_session_open(session, &order->address, trust, bearer_monotonic() + PATIENCE, err);

    if (st == BEARER_OK)
        st = mail_login(session, order->user, &trial->login, err);
    if (st == BEARER_OK) {
        trial->end = END_LOGGED_IN;
        st = use_mailbox(trial, order, err);
    }
    if (st == BEARER_OK)
        trial->end = order->send_to != NULL && order->address.protocol == MAIL_SMTP ? END_SENT : END_OPENED;
    mail_session_close(session);
    return st;
}

/* The plugin reads the sasl.conf that this program was told to read. */
static void set_configuration(const struct order *order)
{
    char *conf = order->conf != NULL ? realpath(order->conf, NULL) : NULL;

    if (conf != NULL)
        setenv("SASL_CONF_PATH", dirname(conf), 1);
    if (conf != NULL || order->user_is_left_out)
        setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    free(conf);
}

static enum bearer_status be_the_host(struct trial *trial, const struct order *order, struct bearer_error *err)
{
    static char smtp[] = "smtp";
    enum bearer_status st;

    signal(SIGPIPE, SIG_IGN);
    if (order->jail != NULL) {
        program_invocation_short_name = smtp;
        jail_set_environment(order->jail);
    }
    set_configuration(order);
    st = mail_login_prepare(&trial->login, err);
    return st == BEARER_OK && order->jail != NULL ? jail_enter(order->jail, err) : st;
}

static void be_child(struct trial *trial, const struct order *order)
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

static void run_child(struct trial *trial, const struct order *order)
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
    trial->transcript[sizeof trial->transcript - 1] = '\0';
    if (!trial->ended)
        bearer_fail(&trial->err, BEARER_LATER, "no end in time");
}

/* ------------------------------------------------------------------ telling */

static const char *stage_words(enum mail_stage stage)
{
    switch (stage) {
    case MAIL_NOT_BEGUN:
        return "nobody gets as far as the server";
    case MAIL_CONNECTING:
        return "it cannot be reached";
    case MAIL_GREETING:
        return "it does not greet";
    case MAIL_ENCRYPTING:
        return "TLS fails";
    case MAIL_ASKING:
        return "it does not say what it offers";
    case MAIL_LOGGING_IN:
        return "the login fails";
    case MAIL_LOGGED_IN:
        break;
    }
    return "logged in, but what comes then fails";
}

/* What to do where the server's words do not say it. */
static const char *usual_remedy(const struct order *order, const struct trial *trial)
{
    switch (trial->session.stage) {
    case MAIL_NOT_BEGUN:
        return trial->err.status == BEARER_CONFIG
                   ? "check oauth2_ca_file; in Postfix smtp_tls_CAfile"
                   : "look at the areas plugin and postfix above: which plugins of others does libsasl2 load?";
    case MAIL_CONNECTING:
        return "check the host's name, DNS (in Postfix' jail: etc/resolv.conf there) and what firewalls let through";
    case MAIL_ENCRYPTING:
        return order->jail != NULL && order->jail->ca_file[0] != '\0'
                   ? "check the server's name, smtp_tls_CAfile, the clock, and whether something in between replaces "
                     "certificates"
                   : "check the server's name, oauth2_ca_file, the clock, and whether something in between replaces "
                     "certificates";
    case MAIL_LOGGING_IN:
        if (trial->err.status == BEARER_NO_ACCOUNT)
            return "is this the right server and port? Does it want a login with tokens to be switched on?";
        if (trial->err.status == BEARER_LOCAL)
            return order->jail != NULL
                       ? "look at the areas plugin and postfix above: does import_environment hide SASL_PATH or "
                         "SASL_CONF_PATH?"
                       : "look at the area plugin above";
        return NULL; /* the plugin's words name the remedy */
    default:
        return "try again later; --verbose shows the conversation";
    }
}

/* Puts who acts before what is to be done. */
static char *remedy_of(const struct server_text *row, const char *mailbox, const char *grantee)
{
    char *instruction = server_text_remedy(row, mailbox, grantee);
    char *remedy = instruction != NULL ? bearer_text_format("%s: %s", server_text_who(row->who), instruction) : NULL;

    free(instruction);
    return remedy;
}

/* A challenge says more than the refusal behind it; the plugin has put it into the log. */
static const struct server_text *find_text(const struct trial *trial, const struct order *order)
{
    const struct server_text *row = server_text_find("challenge", trial->login.log);

    if (row != NULL && trial->session.stage == MAIL_LOGGING_IN)
        return row;
    return server_text_find(mail_protocol_name(order->address.protocol), trial->session.reply);
}

static void tell_refusal(struct check *check, const struct order *order, const struct trial *trial, const char *grantee)
{
    const struct server_text *row = find_text(trial, order);

    if (row == NULL)
        check_say(check, CHECK_PROBLEM, AREA, "look for these words in the server's documentation", "%s: %s: '%s'",
                  order->address.url, stage_words(trial->session.stage), trial->session.reply);
    else
        check_say_remedy(check, CHECK_PROBLEM, AREA, remedy_of(row, order->user, grantee), "%s: %s: '%s': %s",
                         order->address.url, stage_words(trial->session.stage), trial->session.reply, row->meaning);
}

static void tell_success(struct check *check, const struct order *order, const struct trial *trial)
{
    static const char *const used[] = {
        [MAIL_IMAP] = "INBOX opens", [MAIL_POP3] = "the mailbox opens", [MAIL_SMTP] = "the sender is accepted"
    };
    const struct jail *jail = order->jail;

    check_say(check, CHECK_OK, AREA, NULL, "%s: logged in as %s with %s%s%s%s%s; %s", order->address.url, order->user,
              trial->login.mechanism, jail != NULL ? ", as user " : "", jail != NULL ? jail->user : "",
              jail != NULL && jail->directory[0] != '\0' ? " in the jail " : "", jail != NULL ? jail->directory : "",
              trial->end == END_SENT ? "the message was taken" : used[order->address.protocol]);
    if (order->address.protocol == MAIL_SMTP && order->send_to == NULL)
        check_say(check, CHECK_SKIPPED, AREA, NULL,
                  "no message was sent (--send-to): whether %s may send as itself shows only behind one", order->user);
}

static void tell_transcript(struct check *check, const struct order *order, char *transcript)
{
    char *rest = transcript, *line;

    while ((line = strsep(&rest, "\n")) != NULL)
        if (*line != '\0')
            check_say(check, CHECK_OK, AREA, NULL, "%s %s", order->address.url, line);
}

static void tell(struct check *check, const struct order *order, struct trial *trial, const char *grantee)
{
    if (check->arguments->given & ARG_VERBOSE)
        tell_transcript(check, order, trial->transcript);
    if (trial->err.status == BEARER_OK)
        tell_success(check, order, trial);
    else if (trial->err.status == BEARER_REFUSED)
        tell_refusal(check, order, trial, grantee);
    else
        check_say(check, CHECK_PROBLEM, AREA, usual_remedy(order, trial), "%s: %s: %s", order->address.url,
                  stage_words(trial->session.stage), trial->err.text);
}

/* ------------------------------------------------------------------ the servers */

/* Who needs permission on a mailbox: the person who signed in, or the service principal.  Free it. */
static char *grantee_of(struct check *check)
{
    const struct bearer_account *account = bearer_holder_account(check->holder);
    json_t *claims = check_token_claims(check);
    const char *person = check_token_claim(claims, "upn"), *oid = check_token_claim(claims, "oid");
    char *grantee = strdup(*person != '\0'                                     ? person
                           : account->provider->on_behalf == BEARER_FOR_PERSON ? account->name
                           : *oid != '\0'                                      ? oid
                                                                               : "OBJECT_ID");

    json_decref(claims);
    return grantee;
}

static void check_server(struct check *check, const struct order *order, const char *grantee)
{
    struct trial *trial = mmap(NULL, sizeof *trial, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (trial == MAP_FAILED) {
        check_say(check, CHECK_PROBLEM, AREA, NULL, "%s: out of memory", order->address.url);
        return;
    }
    run_child(trial, order);
    distrust(trial);
    tell(check, order, trial, grantee);
    munmap(trial, sizeof *trial);
}

/* False: it was told why not. */
static bool can_be_tried(struct check *check, const struct bearer_account *account)
{
    const char *conf = check->arguments->choice->conf, *name = conf != NULL ? strrchr(conf, '/') : NULL;
    const char *send_to = arguments_value(check->arguments, ARG_SEND_TO);

    if (account->provider->flags & BEARER_WANTS_PASSWORD) {
        check_say(check, CHECK_SKIPPED, AREA, NULL, "no logins: the program brings the token (provider password_field)");
        return false;
    }
    if (conf != NULL && strcmp(name != NULL ? name + 1 : conf, "sasl.conf") != 0) {
        check_say(check, CHECK_SKIPPED, AREA, "name it sasl.conf, in a directory of its own",
                  "no logins: programs read a file called sasl.conf, never '%s'", conf);
        return false;
    }
    if (send_to != NULL && (strpbrk(send_to, "<> ") != NULL || strchr(send_to, '@') == NULL ||
                            bearer_text_has_control(send_to, strlen(send_to)))) {
        check_say(check, CHECK_PROBLEM, AREA, NULL, "'%s' is no address to send to", send_to);
        return false;
    }
    return true;
}

static void check_servers(struct check *check, const struct bearer_account *account, const struct mail_servers *servers)
{
    const char *ca_file = account->values[OPT_CA_FILE] != NULL ? account->values[OPT_CA_FILE] : bearer_system_ca_file();
    struct jail jail;
    bool is_postfix = geteuid() == 0 && mail_servers_speak(servers, MAIL_SMTP) && jail_find(&jail);
    char *grantee = grantee_of(check);

    for (unsigned i = 0; i < servers->count && grantee != NULL; i++) {
        bool as_postfix = is_postfix && servers->list[i].protocol == MAIL_SMTP;
        const struct order order = {
            .address = servers->list[i],
            .user = check->user,
            .send_to = arguments_value(check->arguments, ARG_SEND_TO),
            .ca_file = as_postfix && jail.ca_file[0] != '\0' ? jail.ca_file : ca_file,
            .conf = check->arguments->choice->conf,
            .user_is_left_out = check->arguments->choice->system,
            .jail = as_postfix ? &jail : NULL,
        };

        check_server(check, &order, grantee);
    }
    free(grantee);
}

void check_logins(struct check *check)
{
    const struct bearer_account *account = check->holder != NULL ? bearer_holder_account(check->holder) : NULL;
    struct mail_servers servers;
    struct bearer_error err = BEARER_ERROR_INIT;

    if (check->user == NULL)
        check_say(check, CHECK_SKIPPED, AREA, "name a user: sasl-bearer check USER", "no user was named, so nobody logs in");
    if (account == NULL || !can_be_tried(check, account))
        return;
    if (mail_servers_find(check->arguments, account, &servers, &err) != BEARER_OK)
        check_say(check, CHECK_PROBLEM, AREA, NULL, "%s", err.text);
    else if (servers.count == 0)
        check_say(check, CHECK_SKIPPED, AREA, "name its servers: --server imaps://HOST --server smtp://HOST",
                  "no logins: which mail servers a service of your own has is not known here");
    else
        check_servers(check, account, &servers);
}
