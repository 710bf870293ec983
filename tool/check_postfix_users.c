/* check_postfix_users.c - whom Postfix logs in as: smtp_sasl_password_maps, which is sasl_passwd in the guide. */
#include "credential/text.h"
#include "tool/check_postfix.h"
#include "tool/check_probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Gives the user name that a map has for a key, and whether there is a password behind it; NULL if it has none, or cannot be
 * asked. Free it. */
static char *ask_map(const char *map, const char *key, bool *password_out)
{
    struct bearer_secret entry = BEARER_SECRET_INIT;
    char *postmap = probe_find("postmap"), *user = NULL;
    const char *text;

    if (postmap != NULL && probe_run_secret(&entry, "%s -q %s %s", postmap, key, map)) {
        text = bearer_secret_reveal(&entry);
        user = strndup(text, strcspn(text, ":\n"));
        *password_out = text[strcspn(text, ":\n")] == ':' && strcspn(strchr(text, ':') + 1, "\n") > 0;
    }
    bearer_secret_clear(&entry);
    free(postmap);
    return user;
}

static bool begins(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

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

/* As smtp(8) looks it up: by the whole next hop, or by the host's name. */
static char *find_user(struct postfix *p, const char *relay, bool *password_out)
{
    char *maps = strdup(postfix_setting(p, PASSWORD_MAPS)), *rest = maps, *host = postfix_bare_host(relay), *user = NULL;

    for (const char *map; rest != NULL && user == NULL && (map = strsep(&rest, ", \t")) != NULL;) {
        if (*map == '\0')
            continue;
        user = ask_map(map, relay, password_out);
        if (user == NULL && host != NULL)
            user = ask_map(map, host, password_out);
    }
    free(host);
    free(maps);
    return user;
}

static void look_at_user(struct postfix *p, const char *relay, const char *user, bool password)
{
    struct bearer_error err = BEARER_ERROR_INIT;
    const struct bearer_account *account;
    struct bearer_holder *holder;
    char *host;

    report_hide(p->check->report, "user", user);
    if (bearer_context_find(p->check->context, user, &holder, &err) != BEARER_OK) {
        check_say(p->check, CHECK_PROBLEM, POSTFIX_AREA, NULL, "Postfix logs in to %s as '%s', but %s", relay, user,
                  err.text);
        return;
    }
    account = bearer_holder_account(holder);
    check_say(p->check, CHECK_OK, POSTFIX_AREA, NULL, "Postfix logs in to %s as '%s', which section [%s] covers", relay,
              user, account->section);
    if (password && !(account->provider->flags & BEARER_WANTS_PASSWORD))
        check_say(p->check, CHECK_WARNING, POSTFIX_AREA, "take the password out of it, leave the colon",
                  "smtp_sasl_password_maps has a password for %s, which nobody uses", user);
    else if (!password && (account->provider->flags & BEARER_WANTS_PASSWORD))
        check_say(p->check, CHECK_PROBLEM, POSTFIX_AREA, "put the token, or its file's path, behind the colon",
                  "smtp_sasl_password_maps has no password for %s, which provider %s takes the token from", user,
                  account->provider_name);
    host = postfix_bare_host(relay);
    if (host != NULL && bearer_account_may_go_to(account, host, &err) != BEARER_OK)
        check_say(p->check, CHECK_PROBLEM, POSTFIX_AREA, NULL, "%s", err.text); /* which names the line to add */
    free(host);
}

static bool is_unseen(const char *path)
{
    return access(path, R_OK) != 0 && check_is_unseen(errno);
}

/* Whether this user may not read a table: sasl_passwd is root's, as is what postmap(1) makes of it. */
static bool is_closed(const struct postfix *p)
{
    char *words = strdup(postfix_setting(p, PASSWORD_MAPS)), *rest = words;
    bool closed = false;

    for (const char *map; rest != NULL && !closed && (map = strsep(&rest, ", \t")) != NULL;) {
        const char *file = strchr(map, '/');
        char *index = file != NULL ? bearer_text_format("%s%s", file, begins(map, "lmdb:") ? ".lmdb" : ".db") : NULL;

        closed = index != NULL && (is_unseen(file) || is_unseen(index));
        free(index);
    }
    free(words);
    return closed;
}

/* Why Postfix cannot be asked whom it logs in as, or NULL. */
static const char *cannot_ask(const struct postfix *p)
{
    const char *relay = p->values[RELAYHOST];

    if (!postfix_is_set(relay))
        return "relayhost is not set";
    if (strpbrk(postfix_setting(p, PASSWORD_MAPS), "{}") != NULL || strpbrk(relay, " \t,") != NULL)
        return "smtp_sasl_password_maps or relayhost are written in a way that is not understood here";
    return NULL;
}

static void look_at_maps(struct postfix *p)
{
    char *words = strdup(postfix_setting(p, PASSWORD_MAPS)), *rest = words;

    for (const char *map; rest != NULL && (map = strsep(&rest, ", \t")) != NULL;)
        if (*map != '\0')
            look_at_map(p, map);
    free(words);
}

/* False: nobody, though others than relayhost's may still be known. */
static bool look_at_relay(struct postfix *p, const char *relay)
{
    bool password = false, depends_on_sender = strcmp(postfix_setting(p, SENDER_AUTHENTICATION), "yes") == 0;
    char *user = find_user(p, relay, &password);
    bool known = postfix_is_set(user);

    if (known)
        look_at_user(p, relay, user, password);
    else
        check_say_remedy(p->check, depends_on_sender ? CHECK_WARNING : CHECK_PROBLEM, POSTFIX_AREA,
                         bearer_text_format("add the line '%s USER:', the mailbox and an empty password", relay),
                         "smtp_sasl_password_maps has nothing for '%s'", relay);
    free(user);
    return known || depends_on_sender;
}

bool postfix_look_at_users(struct postfix *p)
{
    const char *why = cannot_ask(p);

    if (!postfix_is_set(postfix_setting(p, PASSWORD_MAPS))) {
        check_say_remedy(p->check, CHECK_PROBLEM, POSTFIX_AREA, postfix_set(PASSWORD_MAPS, "hash:/etc/postfix/sasl_passwd"),
                         "smtp_sasl_password_maps is not set: Postfix does not know whom to log in as");
        return false;
    }
    if (why != NULL) {
        check_say(p->check, CHECK_SKIPPED, POSTFIX_AREA, NULL, "whom Postfix logs in as cannot be told: %s", why);
        return true;
    }
    if (is_closed(p)) {
        check_say_unseen(p->check, POSTFIX_AREA, "whom Postfix logs in as: this user may not read smtp_sasl_password_maps");
        return true;
    }
    look_at_maps(p);
    return look_at_relay(p, p->values[RELAYHOST]);
}
