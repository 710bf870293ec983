/* check_renewer.c - whether somebody renews what nobody logs in with, and how long the application's credential lasts. */
#include "credential/clock.h"
#include "credential/renewal.h"
#include "credential/text.h"
#include "tool/check.h"
#include "tool/check_probe.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AREA   "renewer"
#define TIMER  "sasl-bearer-renew.timer"
#define ENABLE "run systemctl enable --now " TIMER ", or sasl-bearer renew --all from cron(8)"
#define IDLE   (8 * 86400) /* seconds: what `renew --all` does not let a sign-in go without use, and a day more */

/* Who renews. */
struct renewer {
    bool runs;
    bool lasts;     /* beyond the next start of this machine */
    char what[256]; /* for people */
};

/* ------------------------------------------------------------------ is there one? */

/* Writes the value of a line NAME=VALUE. */
static void read_property(const char *told, const char *name, char *out, size_t size)
{
    size_t length = strlen(name);
    const char *at = told;

    while (at != NULL && (strncmp(at, name, length) != 0 || at[length] != '='))
        at = strchr(at, '\n') != NULL ? strchr(at, '\n') + 1 : NULL;
    snprintf(out, size, "%.*s", at != NULL ? (int)strcspn(at + length + 1, "\n") : 0, at != NULL ? at + length + 1 : "");
}

static void ask_systemd(struct renewer *renewer)
{
    char *systemctl = probe_find("systemctl"), *told = NULL, active[32], enabled[32], last[64];

    if (systemctl != NULL)
        told = probe_run("%s show -p ActiveState -p UnitFileState -p LastTriggerUSec " TIMER, systemctl);
    free(systemctl);
    if (told == NULL)
        return;
    read_property(told, "ActiveState", active, sizeof active);
    read_property(told, "UnitFileState", enabled, sizeof enabled);
    read_property(told, "LastTriggerUSec", last, sizeof last);
    free(told);
    renewer->runs = strcmp(active, "active") == 0;
    renewer->lasts = strcmp(enabled, "enabled") == 0;
    snprintf(renewer->what, sizeof renewer->what, TIMER " is %s%s%s%s%s", active, enabled[0] != '\0' ? ", " : "", enabled,
             last[0] != '\0' && strcmp(last, "n/a") != 0 ? ", last run " : "", strcmp(last, "n/a") != 0 ? last : "");
}

static bool mentions_renewal(const char *directory, const char *name)
{
    char *path = bearer_text_format("%s/%s", directory, name), line[1024];
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        found = line[strspn(line, " \t")] != '#' && strstr(line, "sasl-bearer") != NULL && strstr(line, "renew") != NULL;
    if (file != NULL)
        fclose(file);
    free(path);
    return found;
}

/* cron(8)'s places, as far as this user may look. */
static void look_at_cron(struct renewer *renewer)
{
    static const char *const directories[] = { "/etc/cron.d", "/var/spool/cron/crontabs", "/var/spool/cron",
                                               "/etc/cron.hourly" };
    struct dirent *entry;

    bool knows_timer = renewer->what[0] != '\0';

    renewer->runs = mentions_renewal("/etc", "crontab");
    for (size_t i = 0; i < sizeof directories / sizeof directories[0] && !renewer->runs; i++) {
        DIR *stream = opendir(directories[i]);

        while (stream != NULL && !renewer->runs && (entry = readdir(stream)) != NULL)
            renewer->runs = entry->d_name[0] != '.' && mentions_renewal(directories[i], entry->d_name);
        if (stream != NULL)
            closedir(stream);
    }
    renewer->lasts = renewer->runs;
    if (renewer->runs || !knows_timer)
        snprintf(renewer->what, sizeof renewer->what,
                 renewer->runs ? "cron(8) runs sasl-bearer renew" : "neither " TIMER " nor cron(8) renews tokens here");
}

/* ------------------------------------------------------------------ who needs it? */

/* What cannot be renewed in a jail is renewed outside, or not at all. */
static void look_at_obstacle(struct check *check, const struct renewer *renewer, const struct bearer_account *account,
                             const char *name)
{
    const char *obstacle = bearer_account_jail_obstacle(account);

    if (obstacle == NULL || renewer->runs || account->level != BEARER_LEVEL_SYSTEM)
        return;
    check_say(check, CHECK_WARNING, AREA, ENABLE,
              "%s: because of %s, a program in a chroot jail such as Postfix' smtp(8) cannot renew its token", name,
              obstacle);
}

/* Refresh tokens die of disuse: Microsoft's after 90 days. */
static void look_at_disuse(struct check *check, const struct renewer *renewer, struct bearer_holder *holder,
                           const char *name)
{
    const struct bearer_account *account = bearer_holder_account(holder);
    struct bearer_token token = BEARER_TOKEN_INIT;
    char idle[32];
    bool foreign;

    if ((account->provider->flags & BEARER_PER_IDENTITY) &&
        bearer_peek(check->context, holder, &token, &foreign, NULL) == BEARER_OK && !foreign &&
        token.refresh_token.length > 0 && token.issued > 0 && bearer_now() - token.issued > IDLE)
        check_say(
            check, CHECK_WARNING, AREA, renewer->runs ? "look at what sasl-bearer renew --all says" : ENABLE,
            "%s: the sign-in has not been used for %s; identity providers end what is not used (Microsoft after 90 days)",
            name, command_duration(bearer_now() - token.issued, idle, sizeof idle));
    bearer_token_clear(&token);
}

static void look_at_credential(struct check *check, struct bearer_holder *holder, const char *name, void *data)
{
    const struct bearer_account *account = bearer_holder_account(holder);
    struct bearer_token token = BEARER_TOKEN_INIT;
    const char *what;
    char text[256];
    int64_t ends;

    (void)data;
    (void)bearer_peek(check->context, holder, &token, NULL, NULL); /* without it sasl.conf may still know */
    ends = bearer_account_credential_end(account, &token, &what);
    if (command_credential_end(account, &token, text, sizeof text))
        check_say(check, ends > bearer_now() ? CHECK_WARNING : CHECK_PROBLEM, "credential", NULL, "%s: %s", name, text);
    else if (ends > 0)
        check_say(check, CHECK_OK, "credential", NULL, "%s: the %s lasts another %s", name, what,
                  command_duration(ends - bearer_now(), text, sizeof text));
    bearer_token_clear(&token);
}

static void look_at_account(struct check *check, struct bearer_holder *holder, const char *name, void *data)
{
    look_at_obstacle(check, data, bearer_holder_account(holder), name);
    look_at_disuse(check, data, holder, name);
}

void check_renewer(struct check *check)
{
    struct renewer renewer = { .runs = false };
    unsigned warnings = check->counts[CHECK_WARNING];

    ask_systemd(&renewer);
    if (!renewer.runs)
        look_at_cron(&renewer);
    check_each(check, look_at_account, &renewer);
    if (renewer.runs && !renewer.lasts)
        check_say(check, CHECK_WARNING, AREA, "run systemctl enable " TIMER,
                  "%s: it will not be after the next start of this machine", renewer.what);
    else
        check_say(check, CHECK_OK, AREA, NULL, "%s%s", renewer.what,
                  renewer.runs || check->counts[CHECK_WARNING] > warnings ? "" : "; nothing here depends on it");
    check_each(check, look_at_credential, NULL);
}
