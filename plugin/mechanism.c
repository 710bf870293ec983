/* mechanism.c - see mechanism.h
 *
 * Two steps suit every host.  The first asks who, obtains a token and sends it; whatever the server said before is ignored
 * (hosts without initial response pass an empty challenge, or bytes left in their buffer).  The second always ends well:
 * an error challenge is told to the log and answered, and the server's own refusal follows.
 *
 * By POP3 and SMTP the first step says that it may be all, though the second can still be taken: some hosts go on for as long
 * as they are told to, and take the server's final word for one more challenge (mutt and nmh).  By IMAP it does not: mbsync
 * would give up on an error challenge.
 *
 * POP3 has no room for a token in the line of the command (RFC 5034 section 4), and Exchange wants two lines: there the first
 * step keeps its message back until the server asks for it, for hosts put into that line whatever they are given.  By SMTP
 * (RFC 4954 section 4) they do so too, but mutt cannot answer an empty challenge, and servers take longer lines.
 */
#include "plugin/mechanism.h"

#include "credential/context.h"
#include "credential/text.h"
#include "plugin/message.h"
#include "plugin/prompts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POP3_LINE_MAX 255 /* bytes of the line with AUTH, CRLF and all */
#define SERVICE_MAX 64     /* bytes of a port or a service name */
#define NAME_SHOWN 324      /* bytes of a user name that go into the log: all that an address can have */
#define CHALLENGE_SHOWN 300 /* bytes of a server's challenge that go into the log */

/* One mechanism. */
struct mechanism {
    const char *name;
    enum bearer_status (*build)(const struct bearer_message *message, struct bearer_secret *out, struct bearer_error *err);
    const char *last_answer; /* to an error challenge, or to none */
};

static const struct mechanism mechanisms[BEARER_MECHANISM_COUNT] = {
    { "XOAUTH2", bearer_message_xoauth2, "" },
    { "OAUTHBEARER", bearer_message_oauthbearer, "\001" }, /* RFC 7628 section 3.2.3 */
};

enum stage {
    STAGE_BEGUN,
    STAGE_READY, /* there is a message, kept back until the server asks */
    STAGE_SENT,  /* the token is out: the next step is the second */
};

/* One connection. */
struct session {
    const struct mechanism *mechanism;
    struct bearer_context *context;
    enum stage stage;
    char *user;    /* authentication id as typed; NULL = not known yet */
    char *mailbox; /* authorization id as typed; NULL = the same as user */
    struct bearer_holder *holder;
    int64_t issued;
    struct bearer_secret message; /* libsasl2 reads it after the step has returned */
};

/* What libsasl2 keeps for each mechanism; it must outlive the plugs. */
struct global {
    const struct mechanism *mechanism;
    struct bearer_context *context;
    void (*released)(void *context, const sasl_utils_t *utils);
};

static struct global globals[BEARER_MECHANISM_COUNT];

/* ------------------------------------------------------------------ telling */

static const int log_levels[] = {
    [BEARER_LOG_ERROR] = SASL_LOG_ERR,
    [BEARER_LOG_WARNING] = SASL_LOG_WARN,
    [BEARER_LOG_NOTE] = SASL_LOG_NOTE,
};

static void tell(void *context, enum bearer_log_level level, const char *text)
{
    const sasl_utils_t *utils = context;

    utils->log(utils->conn, log_levels[level], "%s", text);
}

/* A name for the log; "" for NULL. */
static const char *printable(const char *name, char shown[NAME_SHOWN])
{
    bearer_text_printable(shown, NAME_SHOWN, name != NULL ? name : "", name != NULL ? strlen(name) : 0);
    return shown;
}

/* Puts the reason where each kind of host looks: its own log, and sasl_errdetail().  Gives the SASL code to return. */
static int fail(const struct session *session, const sasl_utils_t *utils, const struct bearer_error *err)
{
    const char *provider = session->holder != NULL ? bearer_holder_account(session->holder)->provider_name : "none";
    char text[1200], user[NAME_SHOWN];

    snprintf(text, sizeof text, "%s account=%s provider=%s cause=%s", err->text, printable(session->user, user), provider,
             bearer_error_cause(err));
    utils->seterror(utils->conn, SASL_NOLOG, "%s", text);
    utils->log(utils->conn, err->status == BEARER_LATER ? SASL_LOG_WARN : SASL_LOG_ERR, "%s", text);
    return bearer_status_row(err->status)->sasl_code;
}

/* ------------------------------------------------------------------ the first step */

static enum bearer_status keep_name(char **slot, const struct bearer_answer *answer, struct bearer_error *err)
{
    *slot = strdup(bearer_secret_reveal(&answer->value));
    return *slot != NULL ? BEARER_OK : bearer_fail(err, BEARER_NOMEM, "out of memory");
}

static enum bearer_status keep_names(struct session *session, const struct bearer_answer *user,
                                     const struct bearer_answer *mailbox, struct bearer_error *err)
{
    enum bearer_status st;

    if (user->value.length == 0)
        return bearer_fail(err, BEARER_USAGE, "the program did not say which user to log in as");
    if ((st = keep_name(&session->user, user, err)) == BEARER_OK && mailbox->value.length > 0)
        st = keep_name(&session->mailbox, mailbox, err);
    return st;
}

/* Gives libsasl2's code, SASL_OK and SASL_INTERACT among them; a failure of ours also stands in *err.  So does the next. */
static int ask_names(struct session *session, const sasl_utils_t *utils, sasl_interact_t **prompt_need, struct bearer_error *err)
{
    struct bearer_answer answers[] = {
        { .id = SASL_CB_AUTHNAME, .prompt = "User name (who signs in)" },
        { .id = SASL_CB_USER, .prompt = "Mailbox to open (empty: your own)" },
    };
    int result;

    if (session->user != NULL)
        return SASL_OK;
    result = bearer_ask(utils, prompt_need, answers, 2);
    if (result == SASL_BADPARAM)
        bearer_fail(err, BEARER_USAGE, "the program did not say which user to log in as, and cannot be asked");
    if (result == SASL_OK && keep_names(session, &answers[0], &answers[1], err) != BEARER_OK)
        result = SASL_BADPARAM;
    bearer_answers_clear(answers, 2);
    return result;
}

static int ask_password(const struct session *session, const sasl_utils_t *utils, sasl_interact_t **prompt_need,
                        struct bearer_secret *password, struct bearer_error *err)
{
    struct bearer_answer answer = { .id = SASL_CB_PASS, .prompt = "Access token, or its file" };
    int result;

    if (!(bearer_holder_account(session->holder)->provider->flags & BEARER_WANTS_PASSWORD))
        return SASL_OK;
    result = bearer_ask(utils, prompt_need, &answer, 1);
    if (result == SASL_OK && answer.value.length == 0)
        result = SASL_BADPARAM;
    if (result == SASL_BADPARAM)
        bearer_fail(err, BEARER_USAGE,
                    "provider password_field expects the access token, or its file's path, as the program's password, which is empty");
    bearer_secret_take(password, &answer.value);
    return result;
}

/* libsasl2 wants both identities told before a mechanism succeeds, and may strip blanks from them. */
static int canonicalise(const struct session *session, sasl_client_params_t *params, sasl_out_params_t *oparams)
{
    int result;

    if (session->mailbox == NULL)
        return params->canon_user(params->utils->conn, session->user, 0, SASL_CU_AUTHID | SASL_CU_AUTHZID, oparams);
    result = params->canon_user(params->utils->conn, session->user, 0, SASL_CU_AUTHID, oparams);
    if (result == SASL_OK)
        result = params->canon_user(params->utils->conn, session->mailbox, 0, SASL_CU_AUTHZID, oparams);
    return result;
}

/* The port in "address;port", libsasl2's form. */
static const char *port_of(const char *remote, char port[SERVICE_MAX])
{
    const char *semicolon = remote != NULL ? strrchr(remote, ';') : NULL;

    if (semicolon == NULL || strlen(semicolon + 1) >= SERVICE_MAX)
        return NULL;
    return strcpy(port, semicolon + 1);
}

static enum bearer_status find_holder(struct session *session, struct bearer_error *err)
{
    return session->holder != NULL ? BEARER_OK : bearer_context_find(session->context, session->user, &session->holder, err);
}

static enum bearer_status build_message(struct session *session, const sasl_client_params_t *params, const char *mailbox,
                                        const char *password, struct bearer_error *err)
{
    const struct bearer_log log = { tell, (void *)(uintptr_t)params->utils };
    const struct bearer_demand demand = { .password = password, .server = params->serverFQDN, .log = &log };
    struct bearer_outcome outcome = BEARER_OUTCOME_INIT;
    struct bearer_message message = { .mailbox = mailbox, .host = params->serverFQDN };
    char port[SERVICE_MAX];
    enum bearer_status st;

    if ((st = bearer_account_may_go_to(bearer_holder_account(session->holder), params->serverFQDN, err)) != BEARER_OK)
        return st;
    st = bearer_obtain(session->context, session->holder, &demand, &outcome, err);
    if (st == BEARER_OK) {
        session->issued = outcome.issued;
        message.port = port_of(params->ipremoteport, port);
        message.token = &outcome.token;
        st = session->mechanism->build(&message, &session->message, err);
    }
    bearer_outcome_clear(&outcome);
    return st;
}

static bool is_service(const sasl_client_params_t *params, const char *service)
{
    return params->service != NULL && strcmp(params->service, service) == 0;
}

static bool fits_first_line(const struct session *session, const sasl_client_params_t *params)
{
    size_t encoded = (session->message.length + 2) / 3 * 4;

    return !is_service(params, "pop") ||
           strlen("AUTH ") + strlen(session->mechanism->name) + strlen(" ") + encoded + strlen("\r\n") <= POP3_LINE_MAX;
}

static int send_message(struct session *session, const sasl_client_params_t *params, const char **clientout,
                        unsigned *clientoutlen)
{
    session->stage = STAGE_SENT;
    *clientout = bearer_secret_reveal(&session->message);
    *clientoutlen = (unsigned)session->message.length;
    return is_service(params, "pop") || is_service(params, "smtp") || is_service(params, "lmtp") ? SASL_OK : SASL_CONTINUE;
}

/* Without an error gives in session->message what is to be sent. */
static int make_message(struct session *session, sasl_client_params_t *params, sasl_interact_t **prompt_need,
                        sasl_out_params_t *oparams)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    struct bearer_secret password = BEARER_SECRET_INIT;
    int result;

    if ((result = ask_names(session, params->utils, prompt_need, &err)) == SASL_OK && find_holder(session, &err) == BEARER_OK &&
        (result = ask_password(session, params->utils, prompt_need, &password, &err)) == SASL_OK &&
        (result = canonicalise(session, params, oparams)) == SASL_OK)
        (void)build_message(session, params, oparams->user, bearer_secret_reveal(&password), &err);
    bearer_secret_clear(&password);
    if (err.status != BEARER_OK)
        return fail(session, params->utils, &err);
    if (result == SASL_OK)
        session->stage = STAGE_READY;
    return result;
}

/* ------------------------------------------------------------------ the second step */

/* An error challenge is JSON; anything else is a host's own leftover. */
static int is_error_challenge(const char *serverin, unsigned length)
{
    unsigned i = 0;

    if (serverin == NULL)
        return 0;
    while (i < length && strchr(" \t\r\n", serverin[i]) != NULL && serverin[i] != '\0')
        i++;
    return i < length && serverin[i] == '{';
}

static void tell_refusal(const struct session *session, const sasl_client_params_t *params, const char *serverin,
                         unsigned length)
{
    const sasl_utils_t *utils = params->utils;
    const struct bearer_account *account = bearer_holder_account(session->holder);
    int dropped = bearer_rejected(session->context, session->holder, session->issued);
    char challenge[CHALLENGE_SHOWN], text[1600], user[NAME_SHOWN], mailbox[NAME_SHOWN];

    bearer_text_printable(challenge, sizeof challenge, serverin, length);
    if (dropped)
        snprintf(text, sizeof text,
                 "the mail server refused the access token, so the next login fetches a new one (%s) account=%s provider=%s "
                 "cause=token_refused",
                 challenge, printable(session->user, user), account->provider_name);
    else
        snprintf(text, sizeof text,
                 "the mail server refuses mailbox '%s' to %s, whose token is kept: check who may open it (%s) account=%s "
                 "provider=%s cause=mailbox_refused",
                 printable(session->mailbox != NULL ? session->mailbox : session->user, mailbox),
                 bearer_account_actor(account), challenge, printable(session->user, user), account->provider_name);
    utils->seterror(utils->conn, SASL_NOLOG, "%s", text);
    utils->log(utils->conn, SASL_LOG_ERR, "%s", text);
}

static int second_step(struct session *session, const sasl_client_params_t *params, const char *serverin,
                       unsigned serverinlen, const char **clientout, unsigned *clientoutlen, sasl_out_params_t *oparams)
{
    bearer_secret_clear(&session->message);
    if (session->stage == STAGE_SENT && is_error_challenge(serverin, serverinlen))
        tell_refusal(session, params, serverin, serverinlen);
    *clientout = session->mechanism->last_answer;
    *clientoutlen = (unsigned)strlen(session->mechanism->last_answer);
    oparams->doneflag = 1;
    oparams->mech_ssf = 0;
    oparams->maxoutbuf = 0;
    oparams->encode_context = NULL;
    oparams->encode = NULL;
    oparams->decode_context = NULL;
    oparams->decode = NULL;
    oparams->param_version = 0;
    return SASL_OK;
}

/* ------------------------------------------------------------------ what libsasl2 calls */

static int session_new(void *glob_context, sasl_client_params_t *params, void **conn_context)
{
    const struct global *global = glob_context;
    struct session *session = calloc(1, sizeof *session);

    (void)params;
    if (session == NULL)
        return SASL_NOMEM;
    session->mechanism = global->mechanism;
    session->context = global->context;
    *conn_context = session;
    return SASL_OK;
}

static int session_step(void *conn_context, sasl_client_params_t *params, const char *serverin, unsigned serverinlen,
                        sasl_interact_t **prompt_need, const char **clientout, unsigned *clientoutlen,
                        sasl_out_params_t *oparams)
{
    struct session *session = conn_context;
    bool begins = session->stage == STAGE_BEGUN && serverin == NULL; /* what we give goes into the first line */
    int result;

    *clientout = NULL;
    *clientoutlen = 0;
    if (session->stage == STAGE_SENT || (session->stage == STAGE_READY && is_error_challenge(serverin, serverinlen)))
        return second_step(session, params, serverin, serverinlen, clientout, clientoutlen, oparams);
    if (params->props.min_ssf > params->external_ssf) {
        params->utils->seterror(params->utils->conn, SASL_NOLOG, "%s gives no security layer of its own: use TLS",
                                session->mechanism->name);
        return SASL_TOOWEAK;
    }
    if (session->stage == STAGE_BEGUN && (result = make_message(session, params, prompt_need, oparams)) != SASL_OK)
        return result;
    if (begins && !fits_first_line(session, params))
        return SASL_CONTINUE;
    return send_message(session, params, clientout, clientoutlen);
}

static void session_dispose(void *conn_context, const sasl_utils_t *utils)
{
    struct session *session = conn_context;

    (void)utils;
    if (session == NULL)
        return;
    bearer_secret_clear(&session->message);
    free(session->user);
    free(session->mailbox);
    free(session);
}

static void mechanism_free(void *glob_context, const sasl_utils_t *utils)
{
    const struct global *global = glob_context;

    global->released(global->context, utils);
}

void bearer_mechanisms(struct bearer_context *context, void (*released)(void *context, const sasl_utils_t *utils),
                       sasl_client_plug_t plugs[BEARER_MECHANISM_COUNT])
{
    /* Only the name: without this, libsasl2 demands a password callback of every host. */
    static const unsigned long required_prompts[] = { SASL_CB_AUTHNAME, SASL_CB_LIST_END };

    for (int i = 0; i < BEARER_MECHANISM_COUNT; i++) {
        globals[i] = (struct global){ &mechanisms[i], context, released };
        plugs[i] = (sasl_client_plug_t){
            .mech_name = mechanisms[i].name,
            .max_ssf = 0,
            /* Not NOPLAINTEXT: who sees a bearer token can use it.  Not sniffable by dictionary, and revealing a credential. */
            .security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_NODICTIONARY | SASL_SEC_PASS_CREDENTIALS,
            .features = SASL_FEAT_WANT_CLIENT_FIRST | SASL_FEAT_ALLOWS_PROXY,
            .required_prompts = required_prompts,
            .glob_context = &globals[i],
            .mech_new = session_new,
            .mech_step = session_step,
            .mech_dispose = session_dispose,
            .mech_free = mechanism_free,
        };
    }
}
