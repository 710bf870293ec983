/* mail_login.c - see mail_login.h */
#include "tool/mail_login.h"

#include "credential/secret.h"
#include "credential/text.h"

#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <sasl/saslutil.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define STEP_MAX 8  /* messages of one login: more is a server that never ends */
#define END_MAX  80 /* bytes of "address;port" */

/* One attempt. */
struct exchange {
    struct mail_session *session;
    struct mail_login *login;
    const char *user;
    sasl_conn_t *sasl;
};

/* ------------------------------------------------------------------ what libsasl2 asks for */

/* Its traces are for those who look for a fault in it, and may hold what passes. */
static int take_log(void *context, int level, const char *message)
{
    struct mail_login *login = context;
    size_t used = strlen(login->log);

    if (level <= (login->keeps_notes ? SASL_LOG_NOTE : SASL_LOG_WARN) && message != NULL)
        snprintf(login->log + used, sizeof login->log - used, "%s\n", message);
    return SASL_OK;
}

static int give_name(void *context, int id, const char **result, unsigned *length)
{
    const struct exchange *exchange = context;

    (void)id;
    *result = exchange->user;
    if (length != NULL)
        *length = (unsigned)strlen(exchange->user);
    return SASL_OK;
}

enum bearer_status mail_login_prepare(struct mail_login *login, struct bearer_error *err)
{
    static sasl_callback_t callbacks[] = {
        { SASL_CB_LOG, (sasl_callback_ft)(void *)take_log, NULL },
        { SASL_CB_LIST_END, NULL, NULL },
    };
    int result;

    callbacks[0].context = login;
    result = sasl_client_init(callbacks);
    return result == SASL_OK
               ? BEARER_OK
               : bearer_fail(err, BEARER_LOCAL, "libsasl2 does not start: %s", sasl_errstring(result, NULL, NULL));
}

/* ------------------------------------------------------------------ messages */

/* The plugin's status went through libsasl2, which knows no more than this of it. */
static enum bearer_status status_of(int code)
{
    for (int st = BEARER_LATER; st < BEARER_STATUS_COUNT; st++)
        if (bearer_status_row((enum bearer_status)st)->sasl_code == code)
            return (enum bearer_status)st;
    return BEARER_CONFIG;
}

/* The last thing that was said is why; the keys behind the plugin's sentences are for those who search logs. */
static enum bearer_status fail(struct exchange *exchange, int code, struct bearer_error *err)
{
    struct mail_login *login = exchange->login;
    size_t length = strlen(login->log);
    const char *line;
    char *keys;

    if (code == SASL_NOMECH)
        return bearer_fail(err, BEARER_LOCAL,
                           "libsasl2 has nothing for %s: the plugin is not loaded, or finds no sasl.conf here",
                           login->mechanism);
    if (length > 0)
        length--;
    line = memrchr(login->log, '\n', length);
    line = line != NULL ? line + 1 : login->log;
    snprintf(login->trouble, sizeof login->trouble, "%.*s", (int)(length - (size_t)(line - login->log)), line);
    if ((keys = strstr(login->trouble, " account=")) != NULL)
        *keys = '\0';
    if (login->trouble[0] == '\0')
        snprintf(login->trouble, sizeof login->trouble, "%s", sasl_errstring(code, NULL, NULL));
    return bearer_fail(err, status_of(code), "%s", login->trouble);
}

static enum bearer_status encode(const char *message, unsigned length, struct bearer_secret *out, struct bearer_error *err)
{
    unsigned size = (length + 2) / 3 * 4 + 1, used = 0;
    enum bearer_status st = bearer_secret_reserve(out, size, err);

    if (st != BEARER_OK)
        return st;
    if (sasl_encode64(message, length, out->bytes, size, &used) != SASL_OK)
        return bearer_fail(err, BEARER_BUG, "cannot encode the message");
    return BEARER_OK;
}

static enum bearer_status answer(struct exchange *exchange, const char *message, unsigned length, struct bearer_error *err)
{
    struct bearer_secret encoded = BEARER_SECRET_INIT;
    enum bearer_status st = encode(message, length, &encoded, err);

    if (st == BEARER_OK)
        st = mail_session_answer(exchange->session, bearer_secret_reveal(&encoded), strlen(bearer_secret_reveal(&encoded)),
                                 err);
    bearer_secret_clear(&encoded);
    return st;
}

/* Takes back what was begun; the server's word on that is of no interest. */
static void cancel(struct exchange *exchange)
{
    (void)mail_session_answer(exchange->session, "*", 1, NULL);
}

/* Goes on after the first message, as long as the server asks: an error challenge, which is to be answered before the
 * refusal. */
static enum bearer_status answer_challenges(struct exchange *exchange, struct bearer_error *err)
{
    struct mail_session *session = exchange->session;
    enum bearer_status st = BEARER_OK;

    for (int step = 0; st == BEARER_OK && session->kind == MAIL_REPLY_CHALLENGE; step++) {
        char challenge[sizeof session->reply];
        unsigned length = 0, answer_length = 0;
        const char *message = NULL;
        int result = sasl_decode64(session->reply, (unsigned)strlen(session->reply), challenge, sizeof challenge, &length);

        if (result == SASL_OK && step < STEP_MAX)
            result = sasl_client_step(exchange->sasl, challenge, length, NULL, &message, &answer_length);
        if (step == STEP_MAX || (result != SASL_OK && result != SASL_CONTINUE)) {
            cancel(exchange);
            return bearer_fail(err, BEARER_PEER, "its challenge makes no sense");
        }
        st = answer(exchange, message != NULL ? message : "", answer_length, err);
    }
    return st;
}

/* The token always goes into the second line: POP3 and SMTP have no room for it in the first (RFC 5034 section 4, where
 * the plugin keeps it back until it is asked for; RFC 4954 section 4), and Exchange takes it from IMAP this way too. */
static enum bearer_status converse(struct exchange *exchange, const char *message, unsigned length, struct bearer_error *err)
{
    const char *command = exchange->session->address.protocol == MAIL_IMAP ? "AUTHENTICATE" : "AUTH";
    enum bearer_status st = mail_session_command(exchange->session, err, "%s %s", command, exchange->login->mechanism);

    if (st == BEARER_OK && exchange->session->kind != MAIL_REPLY_CHALLENGE)
        return bearer_fail(err, BEARER_PEER, "it let us in before it was told who we are: '%s'", exchange->session->reply);
    if (st == BEARER_OK && message != NULL)
        st = answer(exchange, message, length, err);
    return st == BEARER_OK ? answer_challenges(exchange, err) : st;
}

/* ------------------------------------------------------------------ the login */

static bool choose_mechanism(struct exchange *exchange)
{
    static const char *const ours[] = { "XOAUTH2", "OAUTHBEARER" };
    const char *offered = exchange->session->mechanisms, *word;
    size_t length;

    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        for (const char *rest = offered; bearer_text_word(&rest, &word, &length);)
            if (length == strlen(ours[i]) && strncasecmp(word, ours[i], length) == 0) {
                snprintf(exchange->login->mechanism, sizeof exchange->login->mechanism, "%s", ours[i]);
                return true;
            }
    return false;
}

static int connect_sasl(struct exchange *exchange, const sasl_callback_t *callbacks)
{
    static const sasl_security_properties_t wanted = { .security_flags = SASL_SEC_NOANONYMOUS };
    const struct mail_session *session = exchange->session;
    char local[END_MAX], remote[END_MAX];
    int result;

    mail_connection_ends(session->connection, local, remote, sizeof local);
    result =
        sasl_client_new(mail_protocol_sasl_service(session->address.protocol), session->address.host,
                        local[0] != '\0' ? local : NULL, remote[0] != '\0' ? remote : NULL, callbacks, 0, &exchange->sasl);
    return result == SASL_OK ? sasl_setprop(exchange->sasl, SASL_SEC_PROPS, &wanted) : result;
}

static enum bearer_status log_in(struct exchange *exchange, struct bearer_error *err)
{
    const sasl_callback_t callbacks[] = {
        { SASL_CB_LOG, (sasl_callback_ft)(void *)take_log, exchange->login },
        { SASL_CB_AUTHNAME, (sasl_callback_ft)(void *)give_name, exchange },
        { SASL_CB_USER, (sasl_callback_ft)(void *)give_name, exchange },
        { SASL_CB_LIST_END, NULL, NULL },
    };
    const char *message = NULL, *mechanism = NULL;
    unsigned length = 0;
    int result = connect_sasl(exchange, callbacks);

    if (result == SASL_OK)
        result = sasl_client_start(exchange->sasl, exchange->login->mechanism, NULL, &message, &length, &mechanism);
    if (result != SASL_OK && result != SASL_CONTINUE)
        return fail(exchange, result, err);
    return converse(exchange, message, length, err);
}

enum bearer_status mail_login(struct mail_session *session, const char *user, struct mail_login *login,
                              struct bearer_error *err)
{
    struct exchange exchange = { .session = session, .login = login, .user = user };
    enum bearer_status st;

    session->stage = MAIL_LOGGING_IN;
    if (!choose_mechanism(&exchange))
        return bearer_fail(err, BEARER_NO_ACCOUNT, "it offers no login with a token, only '%s'", session->mechanisms);
    st = log_in(&exchange, err);
    sasl_dispose(&exchange.sasl);
    if (st == BEARER_OK)
        session->stage = MAIL_LOGGED_IN;
    return st;
}
