/* check_postfix_users.c - whom Postfix logs in as: smtp_sasl_password_maps, which is sasl_passwd in the guide.  Of passwords
 * only whether there is one is kept. */
#include "credential/text.h"
#include "tool/check_postfix.h"
#include "tool/check_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* ------------------------------------------------------------------ asking */

/* "USER:PASSWORD" */
static void take_entry(struct postfix_login *login, const char *entry, size_t length)
{
    size_t user = strcspn(entry, ":\n");

    login->user = strndup(entry, user < length ? user : length);
    login->password = user + 1 < length;
}

/* A table that cannot be listed, or not as a whole, tells what one key has. */
static void ask_for(struct postfix_login *login, const char *table, const char *key)
{
    struct bearer_secret entry = BEARER_SECRET_INIT;
    char *postmap = postfix_is_name(table) ? probe_find("postmap") : NULL;

    if (postmap != NULL && probe_run_secret(&entry, "%s -q %s %s", postmap, key, postfix_bare_table(table)))
        take_entry(login, bearer_secret_reveal(&entry), strcspn(bearer_secret_reveal(&entry), "\n"));
    bearer_secret_clear(&entry);
    free(postmap);
}

static void find_in(struct postfix_login *login, const char *lines, const char *key)
{
    struct postfix_line line;

    while (login->user == NULL && postfix_next_line(&lines, &line))
        if (line.key_length == strlen(key) && strncasecmp(line.key, key, line.key_length) == 0)
            take_entry(login, line.value, line.value_length);
}

/* As smtp(8) looks it up: by the host's name, or by the whole next hop. */
static void find_user(struct postfix_login *login, const char *table, const char *lines)
{
    char *host = postfix_bare_host(login->relay);
    const char *const keys[] = { host != NULL ? host : login->relay, login->relay };

    for (size_t i = 0; i < sizeof keys / sizeof keys[0] && login->user == NULL; i++)
        if (*lines != '\0')
            find_in(login, lines, keys[i]);
        else
            ask_for(login, table, keys[i]);
    free(host);
}

/* Lends the login by whose way a sender's mail goes: his own, his domain's, everybody's.  NULL: none. */
static struct postfix_login *way_of(const struct postfix *p, const char *sender)
{
    const char *domain = strrchr(sender, '@');
    struct postfix_login *domains = NULL, *everybodys = NULL;

    for (struct postfix_login *login = p->logins; login != NULL; login = login->next) {
        if (login->by_sender)
            continue;
        if (login->sender == NULL)
            everybodys = everybodys != NULL ? everybodys : login;
        else if (strcasecmp(login->sender, sender) == 0)
            return login;
        else if (strcasecmp(login->sender, domain) == 0 && domains == NULL)
            domains = login;
    }
    return domains != NULL ? domains : everybodys;
}

static bool looks_for_senders(const struct postfix *p, const struct postfix_service *service)
{
    return strcmp(postfix_setting(p, service, SENDER_AUTHENTICATION), "yes") == 0;
}

/* A line for a sender is one whose key has an @, as no next hop has. */
static void add_sender(struct postfix *p, const struct postfix_service *service, const struct postfix_line *line)
{
    char *sender = strndup(line->key, line->key_length);
    const struct postfix_login *way = sender != NULL && strchr(sender, '@') != NULL ? way_of(p, sender) : NULL;
    struct postfix_login *login;

    if (way == NULL || way->service != service)
        ; /* his mail takes another way */
    else if (!looks_for_senders(p, service))
        p->idle_senders = true;
    else if ((login = postfix_add_login(p, way->service, way->relay, sender)) != NULL) {
        login->by_sender = true;
        take_entry(login, line->value, line->value_length);
    }
    free(sender);
}

static void ask_table(struct postfix *p, const struct postfix_service *service, const char *table)
{
    struct bearer_secret lines = BEARER_SECRET_INIT;
    struct postfix_line line;
    const char *cursor;

    (void)postfix_list(table, &lines);
    for (struct postfix_login *login = p->logins; login != NULL; login = login->next)
        if (login->service == service && login->user == NULL)
            find_user(login, table, bearer_secret_reveal(&lines));
    for (cursor = bearer_secret_reveal(&lines); postfix_next_line(&cursor, &line);)
        add_sender(p, service, &line);
    bearer_secret_clear(&lines);
}

static bool is_unseen(const char *path)
{
    return access(path, R_OK) != 0 && check_is_unseen(errno);
}

/* Whether this user may not read a table: sasl_passwd is root's, as is what postmap(1) makes of it. */
static bool is_closed(const struct postfix *p, const struct postfix_service *service)
{
    char *words = strdup(postfix_setting(p, service, PASSWORD_MAPS)), *rest = words;
    bool closed = false;

    for (const char *table; !closed && (table = postfix_next_word(&rest)) != NULL;) {
        const char *file = strchr(table = postfix_bare_table(table), '/');
        char *index = file != NULL ? bearer_text_format("%s%s", file, begins(table, "lmdb:") ? ".lmdb" : ".db") : NULL;

        closed = index != NULL && (is_unseen(file) || is_unseen(index));
        free(index);
    }
    free(words);
    return closed;
}

static void ask_service(struct postfix *p, const struct postfix_service *service)
{
    char *words = strdup(postfix_setting(p, service, PASSWORD_MAPS)), *rest = words;

    for (const char *table; (table = postfix_next_word(&rest)) != NULL;)
        ask_table(p, service, table);
    free(words);
}

static bool is_used(const struct postfix *p, const struct postfix_service *service)
{
    for (const struct postfix_login *login = p->logins; login != NULL; login = login->next)
        if (login->service == service)
            return postfix_may_log_in(p, service);
    return false;
}

void postfix_ask_users(struct postfix *p)
{
    for (size_t i = 0; i < p->service_count; i++)
        if (!is_used(p, &p->services[i]))
            continue;
        else if (is_closed(p, &p->services[i]))
            p->closed = true;
        else
            ask_service(p, &p->services[i]);
    for (struct postfix_login *login = p->logins; login != NULL; login = login->next)
        login->service->ours |= postfix_is_ours(p, login);
}

/* ------------------------------------------------------------------ tables */

/* hash:FILE reads FILE.db, which postmap(1) makes. */
static void look_at_map(struct postfix *p, const char *map)
{
    const char *file = strchr(map, ':') != NULL ? strchr(map, ':') + 1 : map;
    char *index = bearer_text_format("%s%s", file, begins(map, "lmdb:") ? ".lmdb" : ".db");
    struct stat source, made;

    if (index != NULL && (begins(map, "hash:") || begins(map, "btree:") || begins(map, "lmdb:"))) {
        if (stat(index, &made) != 0)
            check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, bearer_text_format("run postmap %s", map),
                             "cannot look at '%s': %s", index, strerror(errno));
        else if (stat(file, &source) == 0 && source.st_mtime > made.st_mtime)
            check_say_remedy(p->check, CHECK_WARNING, POSTFIX_AREA, bearer_text_format("run postmap %s", map),
                             "'%s' is newer than '%s'", file, index);
    }
    if (*file == '/' && stat(file, &source) == 0 && (source.st_mode & (S_IWGRP | S_IWOTH)))
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, bearer_text_format("run chmod go-w '%s'", file),
                         "'%s' can be written by others than its owner", file);
    free(index);
}

static void look_at_maps(struct postfix *p, const struct postfix_service *service)
{
    char *words = strdup(postfix_setting(p, service, PASSWORD_MAPS)), *rest = words;

    for (const char *map; (map = postfix_next_word(&rest)) != NULL;)
        look_at_map(p, postfix_bare_table(map));
    free(words);
}

/* ------------------------------------------------------------------ saying */

bool postfix_is_ours(const struct postfix *p, const struct postfix_login *login)
{
    return postfix_is_set(login->user) && postfix_may_log_in(p, login->service) &&
           (!login->password || postfix_takes_tokens(p, login->service));
}

static void look_at_password(struct postfix *p, const struct postfix_login *login, const struct bearer_account *account)
{
    bool wanted = account->provider->flags & BEARER_WANTS_PASSWORD;

    if (login->password && !wanted)
        check_say(p->check, CHECK_WARNING, POSTFIX_AREA, "take the password out of it, leave the colon",
                  "smtp_sasl_password_maps has a password for %s, which nobody uses", login->user);
    else if (!login->password && wanted)
        check_say(p->check, CHECK_PROBLEM, POSTFIX_AREA, "put the token, or its file's path, behind the colon",
                  "smtp_sasl_password_maps has no password for %s, which provider %s takes the token from", login->user,
                  account->provider_name);
}

/* A login with a token, or one that tries it with a token. */
static void look_at_user(struct postfix *p, const struct postfix_login *login, const char *whose)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    const struct bearer_account *account;
    struct bearer_holder *holder;
    char *host;

    if (bearer_context_find(p->check->context, login->user, &holder, &err) != BEARER_OK) {
        check_say(p->check, CHECK_PROBLEM, POSTFIX_AREA,
                  login->password ? "if it is to use its password, keep tokens away from it: see the guide to Postfix, "
                                    "\"Passwords and tokens side by side\""
                                  : NULL,
                  "Postfix logs in to %s as '%s'%s, but %s", login->relay, login->user, whose, err.text);
        return;
    }
    account = bearer_holder_account(holder);
    check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "Postfix logs in to %s as '%s'%s, which section [%s] covers",
              login->relay, login->user, whose, account->section);
    look_at_password(p, login, account);
    host = postfix_bare_host(login->relay);
    if (host != NULL && bearer_account_may_go_to(account, host, &err) != BEARER_OK)
        check_say(p->check, CHECK_PROBLEM, POSTFIX_AREA, NULL, "%s", err.text); /* which names the line to add */
    free(host);
}

/* A next hop without a user is a mistake where its transport is one for tokens, and where everybody's mail goes if nobody
 * else logs in. */
static void look_at_nobody(struct postfix *p, const struct postfix_login *login)
{
    const struct postfix_service *service = login->service;
    bool depends_on_sender = looks_for_senders(p, service), is_everybodys = login == p->logins && service == p->service,
         has_filter = service->options[MECHANISM_FILTER] != NULL && postfix_takes_tokens(p, service);

    if (has_filter || (is_everybodys && (depends_on_sender || !service->ours)))
        check_say_remedy(p->check, depends_on_sender ? CHECK_WARNING : CHECK_PROBLEM, POSTFIX_AREA,
                         bearer_text_format("add the line '%s USER:', the mailbox and an empty password", login->relay),
                         "smtp_sasl_password_maps has nothing for '%s'", login->relay);
}

static void look_at_login(struct postfix *p, const struct postfix_login *login)
{
    char *whose = login->by_sender && login->user != NULL && strcmp(login->sender, login->user) != 0
                      ? bearer_text_format(" for mail from '%s'", login->sender)
                      : NULL;

    if (!postfix_may_log_in(p, login->service) || (!login->by_sender && !postfix_is_first(p, login)))
        ; /* never, or it was said */
    else if (!postfix_is_set(login->user))
        look_at_nobody(p, login);
    else if (postfix_is_ours(p, login))
        look_at_user(p, login, whose != NULL ? whose : "");
    else
        check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL,
                  "Postfix logs in to %s as '%s'%s by password: smtp_sasl_mechanism_filter%s keeps tokens away",
                  login->relay, login->user, whose != NULL ? whose : "", postfix_whose(login->service, MECHANISM_FILTER));
    free(whose);
}

/* ------------------------------------------------------------------ senders */

/* Whether somebody else logs in to where this sender does: then one's refusal is the other's delay. */
static bool shares_its_way(const struct postfix *p, const struct postfix_login *login)
{
    for (const struct postfix_login *other = p->logins; other != NULL; other = other->next)
        if (other->service == login->service && postfix_is_set(other->user) && strcmp(other->relay, login->relay) == 0 &&
            strcmp(other->user, login->user) != 0)
            return true;
    return false;
}

/* Postfix has a limit for each transport, which master.cf's -o does not set. */
static void look_at_cohorts(struct postfix *p, const struct postfix_service *service)
{
    char *name = bearer_text_format("%s_destination_concurrency_failed_cohort_limit", service->name),
         *limit = name != NULL ? probe_run("%s -xh %s", p->postconf, name) : NULL;

    if (limit != NULL && strcmp(limit, "0") != 0)
        check_say_remedy(p->check, CHECK_WARNING, POSTFIX_AREA,
                         bearer_text_format("run postconf -e '%s = 0', then postfix reload", name),
                         "when one sender's login fails, Postfix holds back the mail of all: %s is '%s'", name, limit);
    free(limit);
    free(name);
}

static void look_at_senders(struct postfix *p)
{
    const struct postfix_service *said = NULL;
    bool some = p->idle_senders;

    for (const struct postfix_login *login = p->logins; login != NULL; login = login->next) {
        some |= login->by_sender;
        if (login->by_sender && login->service != said && postfix_is_ours(p, login) && shares_its_way(p, login)) {
            look_at_cohorts(p, login->service);
            said = login->service;
        }
    }
    if (looks_for_senders(p, p->service) && !some)
        check_say(p->check, CHECK_SKIPPED, POSTFIX_AREA, NULL,
                  "smtp_sasl_password_maps has no line for a sender, or cannot be listed");
    if (p->idle_senders)
        check_say_remedy(p->check, CHECK_WARNING, POSTFIX_AREA, postfix_set(p->service, SENDER_AUTHENTICATION, "yes"),
                         "smtp_sasl_password_maps has lines for senders, which Postfix does not look for "
                         "(smtp_sender_dependent_authentication)");
}

/* ------------------------------------------------------------------ all of it */

static bool look_at_logins(struct postfix *p)
{
    bool known = p->service != NULL && (p->service->ours || looks_for_senders(p, p->service));

    for (const struct postfix_login *login = p->logins; login != NULL; login = login->next)
        look_at_login(p, login);
    look_at_senders(p);
    if (p->unlisted != NULL)
        check_say(p->check, CHECK_SKIPPED, POSTFIX_AREA, NULL,
                  "'%s' cannot be listed, or is empty: where it sends mail to was not looked at", p->unlisted);
    return known;
}

bool postfix_look_at_users(struct postfix *p)
{
    if (!postfix_is_set(postfix_setting(p, p->service, PASSWORD_MAPS))) {
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA,
                         postfix_set(p->service, PASSWORD_MAPS, "hash:/etc/postfix/sasl_passwd"),
                         "smtp_sasl_password_maps is not set: Postfix does not know whom to log in as");
        return false;
    }
    if (p->closed) {
        check_say_unseen(p->check, POSTFIX_AREA, "whom Postfix logs in as: this user may not read smtp_sasl_password_maps");
        return true;
    }
    look_at_maps(p, p->service);
    if (p->logins == NULL && p->unlisted == NULL) {
        check_say(p->check, CHECK_SKIPPED, POSTFIX_AREA, NULL,
                  "whom Postfix logs in as cannot be told: relayhost is not set");
        return true;
    }
    return look_at_logins(p);
}
