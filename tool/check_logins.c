/* check_logins.c - real logins, as the hosts would make them, and what the servers' answers mean. */
#include "credential/places.h"
#include "credential/text.h"
#include "tool/check_claims.h"
#include "tool/check_token.h"
#include "tool/check_trial.h"
#include "tool/mail_servers.h"
#include "tool/server_texts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AREA "login"

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
static const char *usual_remedy(const struct trial_order *order, const struct trial *trial)
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
        if (trial->login.trouble[0] != '\0')
            return NULL; /* the plugin's words name the remedy */
        if (trial->err.status == BEARER_NO_ACCOUNT)
            return "is this the right server and port? Does it want a login with tokens to be switched on?";
        if (trial->err.status == BEARER_LOCAL)
            return order->jail != NULL
                       ? "look at the areas plugin and postfix above: does import_environment hide SASL_PATH or "
                         "SASL_CONF_PATH?"
                       : "look at the area plugin above";
        return NULL; /* the server's words do */
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
static const struct server_text *find_text(const struct trial *trial, const struct trial_order *order)
{
    const struct server_text *row = server_text_find("challenge", trial->login.log);

    if (row != NULL && trial->session.stage == MAIL_LOGGING_IN)
        return row;
    return server_text_find(mail_protocol_name(order->address.protocol), trial->session.reply);
}

static void tell_refusal(struct check *check, const struct trial_order *order, const struct trial *trial,
                         const char *grantee)
{
    const struct server_text *row = find_text(trial, order);

    if (row == NULL)
        check_say(check, CHECK_PROBLEM, AREA, "look for these words in the server's documentation", "%s: %s: '%s'",
                  order->address.url, stage_words(trial->session.stage), trial->session.reply);
    else
        check_say_remedy(check, CHECK_PROBLEM, AREA, remedy_of(row, order->user, grantee), "%s: %s: '%s': %s",
                         order->address.url, stage_words(trial->session.stage), trial->session.reply, row->meaning);
}

static void tell_success(struct check *check, const struct trial_order *order, const struct trial *trial)
{
    static const char *const used[] = {
        [MAIL_IMAP] = "INBOX opens", [MAIL_POP3] = "the mailbox opens", [MAIL_SMTP] = "the sender is accepted"
    };
    const struct jail *jail = order->jail;

    check_say(check, CHECK_OK, AREA, NULL, "%s: logged in as %s with %s%s%s%s%s; %s", order->address.url, order->user,
              trial->login.mechanism, jail != NULL ? ", as user " : "", jail != NULL ? jail->user : "",
              jail != NULL && jail->directory[0] != '\0' ? " in the jail " : "", jail != NULL ? jail->directory : "",
              trial->end == TRIAL_SENT ? "the message was taken" : used[order->address.protocol]);
    if (order->address.protocol == MAIL_SMTP && order->send_to == NULL)
        check_say(check, CHECK_SKIPPED, AREA, NULL,
                  "no message was sent (--send-to): whether %s may send as itself shows only behind one", order->user);
}

static void tell_transcript(struct check *check, const struct trial_order *order, char *transcript)
{
    char *rest = transcript, *line;

    while ((line = strsep(&rest, "\n")) != NULL)
        if (*line != '\0')
            check_say(check, CHECK_OK, AREA, NULL, "%s %s", order->address.url, line);
}

static void tell(struct check *check, const struct trial_order *order, struct trial *trial, const char *grantee)
{
    if (check->arguments->given & ARG_VERBOSE)
        tell_transcript(check, order, trial->transcript);
    if (trial->err.status == BEARER_OK)
        tell_success(check, order, trial);
    else if (trial->err.status == BEARER_REFUSED && trial->login.trouble[0] == '\0')
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
    const char *person = check_claim(claims, "upn"), *oid = check_claim(claims, "oid");
    char *grantee = strdup(*person != '\0'                                     ? person
                           : account->provider->on_behalf == BEARER_FOR_PERSON ? account->name
                           : *oid != '\0'                                      ? oid
                                                                               : "OBJECT_ID");

    json_decref(claims);
    return grantee;
}

static void check_server(struct check *check, const struct trial_order *order, const char *grantee)
{
    struct trial *trial = trial_run(order);

    if (trial != NULL)
        tell(check, order, trial, grantee);
    else
        check_say(check, CHECK_PROBLEM, AREA, NULL, "%s: out of memory", order->address.url);
    trial_free(&trial);
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

/* Whether SMTP is for Postfix' smtp(8), as whom it is tried then.  Where it might have been, it is said why not. */
static bool is_for_postfix(struct check *check, const struct mail_servers *servers, struct jail *jail)
{
    if (!mail_servers_speak(servers, MAIL_SMTP))
        return false;
    if (geteuid() != 0) {
        if (check->postfix_logs_in)
            check_say_unseen(check, AREA, "SMTP is tried as this user: as Postfix' smtp(8) only root can try it");
        return false;
    }
    if (!jail_find(jail))
        return false;
    if (!check->postfix_logs_in)
        check_say(check, CHECK_SKIPPED, AREA, "if Postfix is to send, set it up (see postfix above), then check again",
                  "SMTP is tried as this user, not as Postfix' smtp(8), which is not set up to log in");
    return check->postfix_logs_in;
}

static void check_servers(struct check *check, const struct bearer_account *account, const struct mail_servers *servers)
{
    const char *ca_file = account->values[OPT_CA_FILE] != NULL ? account->values[OPT_CA_FILE] : bearer_system_ca_file();
    struct jail jail;
    bool is_postfix = is_for_postfix(check, servers, &jail);
    char *grantee = grantee_of(check);

    for (unsigned i = 0; i < servers->count && grantee != NULL; i++) {
        bool as_postfix = is_postfix && servers->list[i].protocol == MAIL_SMTP;
        const struct trial_order order = {
            .address = servers->list[i],
            .user = check->user,
            .send_to = arguments_value(check->arguments, ARG_SEND_TO),
            .ca_file = as_postfix && jail.ca_file[0] != '\0' ? jail.ca_file : ca_file,
            .choice = check->arguments->choice,
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
    else if (check->tokenless != NULL)
        check_say(check, CHECK_SKIPPED, AREA, check->tokenless, "no logins: there is no token to log in with");
    else if (servers.count == 0)
        check_say(check, CHECK_SKIPPED, AREA, "name its servers: --server imaps://HOST --server smtp://HOST",
                  "no logins: which mail servers a service of your own has is not known here");
    else
        check_servers(check, account, &servers);
}
