/* setup.c - sasl-bearer setup: have sasl.conf written, and tell what is to be done elsewhere. */
#include "credential/text.h"
#include "credential/trusted_file.h"
#include "tool/conf_writer.h"
#include "tool/instructions.h"
#include "tool/make_certificate.h"
#include "tool/output.h"
#include "tool/setup_plan.h"
#include "tool/whole_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sysexits.h>
#include <unistd.h>

#define KEY_BITS         3072
#define CERTIFICATE_DAYS 365

/* What is being done. */
struct setup {
    struct setup_plan plan;
    struct bearer_context *context; /* as things were before */
    struct conf_writer conf;
    struct made_certificate certificate;
    bool changes_conf;  /* what will be written, as it is shown */
    bool brings_secret;
    char *backup;        /* of sasl.conf; NULL = there was none */
    char *secret_backup; /* of the secret's file; NULL = there was none, or it said the same */
};

/* ------------------------------------------------------------------ what others are told */

/* The mailbox, or whoever signs in, by whose name all can be tried; a pattern if nobody was named. */
static const char *somebody(const struct setup_plan *plan)
{
    return plan->app_only && plan->mailbox_count > 0 ? plan->mailboxes[0] : plan->section;
}

static struct instructions about_plan(const struct setup_plan *plan)
{
    bool person = !plan->app_only && plan->section != NULL && !bearer_text_is_pattern(plan->section);

    return (struct instructions){
        .app_only = plan->app_only,
        .cloud = plan->values[OPT_CLOUD],
        .tenant = plan->values[OPT_TENANT],
        .client_id = plan->values[OPT_CLIENT_ID],
        .object_id = plan->object_id,
        .told = plan->told,
        .has_credential = plan->values[OPT_CLIENT_SECRET_FILE] != NULL,
        .person = person ? plan->section : NULL,
        .mailboxes = (const char *const *)plan->mailboxes,
        .mailbox_count = plan->mailbox_count,
    };
}

static void show_title(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void show_title(const char *format, ...)
{
    va_list arguments;
    int length;

    putchar('\n');
    va_start(arguments, format);
    length = vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
    while (length-- > 0)
        putchar('-');
    printf("\n\n");
}

/* Who sets up their own sasl.conf has somebody for the rest. */
static const char *by_whom(const struct setup_plan *plan)
{
    return plan->level == BEARER_LEVEL_SYSTEM ? "" : ", by an administrator";
}

/* The options with which another command finds the same file. */
static char *choice_words(const struct environment_choice *choice)
{
    if (choice->conf != NULL)
        return bearer_text_format(" --conf %s", choice->conf);
    return strdup(choice->system ? " --system" : choice->user ? " --user" : "");
}

static void show_step(const struct setup_plan *plan, int number, const char *command, const char *remark)
{
    const char *name = somebody(plan);
    char *choice = choice_words(plan->arguments->choice);

    printf("%d. sasl-bearer %s%s %s\n", number, command, choice != NULL ? choice : "",
           bearer_text_is_pattern(name) ? "USER" : name);
    output_text(stdout, "   %s\n", remark);
    free(choice);
}

static void show_next(const struct setup_plan *plan)
{
    int number = 1;

    show_title("Then, here");
    if (plan->app_only)
        show_step(plan, number++, "renew", "tries the application's half: Entra");
    else
        show_step(plan, number++, "login", "has the person sign in");
    if (plan->level == BEARER_LEVEL_SYSTEM) {
        printf("%d. %s && postfix reload\n", number++, instructions_postmap);
        output_text(stdout, "   if Postfix uses it; programs read sasl.conf when they start\n");
    }
    show_step(plan, number, "check", "tries everything; permissions may take an hour to reach Exchange's servers");
}

static void show_registration(const struct setup *setup, const struct instructions *about)
{
    struct instructions left = *about;
    char *steps;

    left.certificate = setup->certificate.public_path;
    if (left.certificate != NULL)
        left.made = &setup->certificate;
    else if (setup->plan.values[OPT_CLIENT_CERTIFICATE] != NULL)
        left.certificate = "the certificate that you have, without its key";
    steps = instructions_registration(&left);
    if (steps != NULL && *steps != '\0') {
        show_title("In Entra%s, if it is not done yet", by_whom(&setup->plan));
        output_text(stdout, "%s", steps);
    }
    free(steps);
}

static void show_instructions(const struct setup *setup)
{
    const struct setup_plan *plan = &setup->plan;
    struct instructions about = about_plan(plan);

    about.brief = true;
    show_registration(setup, &about);
    show_title("In Exchange Online%s", by_whom(plan));
    instructions_powershell(stdout, &about);
    if (plan->app_only)
        printf("\n# Other ways, for sending only:\n#     sasl-bearer setup --print-powershell\n");
    if (plan->level == BEARER_LEVEL_SYSTEM) {
        if (about.person != NULL) { /* shared mailboxes are for reading */
            about.mailboxes = &about.person;
            about.mailbox_count = 1;
        }
        show_title("In Postfix, if that is who sends");
        instructions_postfix(stdout, &about);
    }
    show_next(plan);
}

/* ------------------------------------------------------------------ before anything is written */

static enum bearer_status set_shared(struct setup *setup, struct bearer_error *err)
{
    const char *values[OPT_COUNT] = { [OPT_IDENTITY] = setup->plan.section };
    enum bearer_status st = BEARER_OK;

    for (unsigned i = 0; i < setup->plan.mailbox_count && st == BEARER_OK; i++) {
        char *mailbox = bearer_text_lower(setup->plan.mailboxes[i]);

        st = mailbox != NULL ? conf_writer_set(&setup->conf, mailbox, values, err)
                             : bearer_fail(err, BEARER_NOMEM, "out of memory");
        free(mailbox);
    }
    return st;
}

static enum bearer_status change(struct setup *setup, struct bearer_error *err)
{
    const struct setup_plan *plan = &setup->plan;
    enum bearer_status st = conf_writer_open(plan->file, plan->level, &setup->conf, err);

    if (st == BEARER_OK)
        st = conf_writer_set(&setup->conf, plan->section, (const char *const *)plan->values, err);
    return st == BEARER_OK && !plan->app_only ? set_shared(setup, err) : st;
}

/* Puts the name that people know in place of another in an error. */
static void rename_in(struct bearer_error *err, const char *name, const char *known)
{
    char *place = strstr(err->text, name), *text;

    text = place != NULL ? bearer_text_format("%.*s%s%s", (int)(place - err->text), err->text, known, place + strlen(name))
                         : NULL;
    if (text != NULL)
        snprintf(err->text, sizeof err->text, "%s", text);
    free(text);
}

/* Whether the account would be one: by the code that will read the file, from memory, before there is a file. */
static enum bearer_status try_text(const struct setup *setup, struct bearer_error *err)
{
    size_t length = strlen(setup->conf.after);
    int fd = memfd_create("sasl.conf", MFD_CLOEXEC);
    struct bearer_setup trial = { .places = { .file_level = setup->plan.level } };
    struct bearer_context *context = NULL;
    struct bearer_holder *holder;
    enum bearer_status st;
    char name[32];

    if (fd < 0 || fchmod(fd, 0600) != 0 || write(fd, setup->conf.after, length) != (ssize_t)length) {
        st = bearer_fail(err, BEARER_LOCAL, "cannot try the new sasl.conf: %m");
    } else {
        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        trial.places.file = name;
        st = bearer_context_new(&trial, &context, err);
        if (st == BEARER_OK && (st = bearer_context_find(context, somebody(&setup->plan), &holder, err)) != BEARER_OK)
            rename_in(err, name, setup->conf.path);
        bearer_context_free(&context);
    }
    if (fd >= 0)
        close(fd);
    return st;
}

/* A file that is to be used must be there, and closed to others; the same rule as when it is used. */
static enum bearer_status check_files(const struct setup_plan *plan, struct bearer_error *err)
{
    const char *file = plan->secret.length == 0 ? plan->values[OPT_CLIENT_SECRET_FILE] : NULL;
    enum bearer_status st = BEARER_OK;
    int fd;

    if (file == NULL && !plan->makes_certificate)
        file = plan->values[OPT_CLIENT_CERTIFICATE];
    if (file != NULL && *file == '/' && (st = bearer_trusted_open(file, BEARER_FILE_SECRET, &fd, NULL, err)) == BEARER_OK)
        close(fd);
    return st;
}

/* Lends a file of the section that is to be replaced, if that names one which the new section does not; else NULL. */
static const char *file_left(const struct setup *setup, enum bearer_option_id id)
{
    const char *new = setup->plan.values[id], *old;
    struct bearer_holder *holder;
    const struct bearer_account *account;

    if (bearer_context_find(setup->context, somebody(&setup->plan), &holder, NULL) != BEARER_OK)
        return NULL;
    account = bearer_holder_account(holder);
    old = account->values[id];
    return strcmp(account->section, setup->plan.section) == 0 && old != NULL && (new == NULL || strcmp(old, new) != 0)
               ? old
               : NULL;
}

static void show_left(const struct setup *setup, enum bearer_option_id id, const char *what)
{
    const char *file = file_left(setup, id);

    if (file != NULL)
        output_text(stdout, "\nIts %s, %s, is used no longer; the file stays as it is.\n", what, file);
}

/* Whether the file of the secret holds just that already. */
static bool has_secret(const struct setup_plan *plan)
{
    const char *file = plan->values[OPT_CLIENT_SECRET_FILE];
    struct bearer_secret content = BEARER_SECRET_INIT;
    bool same = false;
    int fd;

    if (bearer_trusted_open(file, BEARER_FILE_SECRET, &fd, NULL, NULL) == BEARER_OK) {
        same = bearer_trusted_read(fd, file, SETUP_SECRET_MAX, &content, NULL) == BEARER_OK &&
               content.length == plan->secret.length &&
               memcmp(bearer_secret_reveal(&content), bearer_secret_reveal(&plan->secret), content.length) == 0;
        close(fd);
    }
    bearer_secret_clear(&content);
    return same;
}

/* Looked at once, so that what is shown is what is done. */
static void decide(struct setup *setup)
{
    setup->changes_conf = strcmp(setup->conf.before, setup->conf.after) != 0;
    setup->brings_secret = setup->plan.secret.length > 0 && !has_secret(&setup->plan);
}

static void show_files(const struct setup *setup)
{
    const struct setup_plan *plan = &setup->plan;
    const char *secret = plan->values[OPT_CLIENT_SECRET_FILE], *certificate = plan->values[OPT_CLIENT_CERTIFICATE];

    if (setup->brings_secret)
        output_text(stdout, "\nThe secret goes to %s, which nobody else may read.%s\n", secret,
                    access(secret, F_OK) == 0 ? " The file before is kept beside it." : "");
    if (plan->makes_certificate)
        output_text(stdout, "\nA certificate and its key are made in %s, which nobody else may read.\n", certificate);
}

/* Shows what will be done.  False: there is nothing to do. */
static bool show_plan(const struct setup *setup)
{
    const struct setup_plan *plan = &setup->plan;

    if (setup->changes_conf) {
        conf_writer_show(&setup->conf, stdout);
        if (conf_writer_has(&setup->conf, plan->section))
            output_text(stdout, "\n[%s] stands there already; it is replaced. The file before is kept beside it.\n",
                        plan->section);
        show_left(setup, OPT_CLIENT_SECRET_FILE, "secret");
        show_left(setup, OPT_CLIENT_CERTIFICATE, "certificate");
    } else {
        output_text(stdout, "%s says just that already.\n", setup->conf.path);
    }
    show_files(setup);
    return setup->changes_conf || setup->brings_secret || plan->makes_certificate;
}

/* ------------------------------------------------------------------ writing */

/* One that was there may be the one in use still, or the new one typed wrong: it is kept, and closed to others. */
static enum bearer_status write_secret(struct setup *setup, struct bearer_error *err)
{
    const struct setup_plan *plan = &setup->plan;
    struct whole_file file = {
        .path = plan->values[OPT_CLIENT_SECRET_FILE],
        .bytes = bearer_secret_reveal(&plan->secret),
        .length = plan->secret.length,
        .mode = 0600,
    };
    enum bearer_status st;
    struct stat before;

    if (lstat(file.path, &before) == 0) {
        if (!S_ISREG(before.st_mode))
            return bearer_fail(err, BEARER_LOCAL, "'%s' is not a regular file", file.path);
        if (before.st_uid != geteuid() && before.st_uid != 0)
            return bearer_fail(err, BEARER_LOCAL, "'%s' belongs to user id %lu: move it away", file.path,
                               (unsigned long)before.st_uid);
        file.before = &before;
    }
    st = whole_file_write(&file, &setup->secret_backup, err);
    if (setup->secret_backup != NULL && chmod(setup->secret_backup, 0600) != 0)
        st = bearer_fail(err, BEARER_LOCAL, "cannot close '%s' to others: %m", setup->secret_backup);
    return st;
}

/* What sasl.conf refers to comes first: it must never refer to nothing. */
static enum bearer_status write_files(struct setup *setup, struct bearer_error *err)
{
    const struct setup_plan *plan = &setup->plan;
    enum bearer_status st = whole_file_make_directory(setup->conf.path, err);

    if (st == BEARER_OK && setup->brings_secret)
        st = write_secret(setup, err);
    if (st == BEARER_OK && plan->makes_certificate)
        st = make_certificate(plan->values[OPT_CLIENT_CERTIFICATE], "sasl-bearer", KEY_BITS, CERTIFICATE_DAYS,
                              &setup->certificate, err);
    if (st == BEARER_OK && setup->changes_conf)
        st = conf_writer_commit(&setup->conf, &setup->backup, err);
    return st;
}

/* As every program will find it: other sections and files may have a word in it, too. */
static enum bearer_status try_account(const struct setup_plan *plan, struct bearer_error *err)
{
    struct bearer_context *context;
    struct bearer_holder *holder;
    const struct bearer_account *account;
    enum bearer_status st = environment_open(plan->arguments->choice, &context, err);

    if (st == BEARER_OK)
        st = bearer_context_find(context, somebody(plan), &holder, err);
    if (st != BEARER_OK) {
        bearer_error_prepend(err, "%s is written, but: ", plan->file);
    } else {
        account = bearer_holder_account(holder);
        fflush(stdout);
        if (strcmp(account->section, plan->section) != 0)
            output_line(stderr, "sasl-bearer: '%s' is covered by [%s] at %s, which comes before [%s]", somebody(plan),
                        account->section, account->origin, plan->section);
    }
    bearer_context_free(&context);
    return st;
}

static void show_written(const char *path, const char *backup)
{
    output_text(stdout, backup != NULL ? "%s is written. The one before is %s.\n" : "%s is written.\n", path, backup);
}

static enum bearer_status set_up(struct setup *setup, struct bearer_error *err)
{
    struct setup_plan *plan = &setup->plan;
    enum bearer_status st;

    if ((st = setup_plan_make(plan, err)) != BEARER_OK || (st = change(setup, err)) != BEARER_OK ||
        (st = check_files(plan, err)) != BEARER_OK || (st = try_text(setup, err)) != BEARER_OK)
        return st;
    decide(setup);
    if (show_plan(setup)) {
        putchar('\n');
        if (!setup_plan_confirm(plan, "Write this?"))
            return bearer_fail(err, BEARER_USAGE, "nothing was changed");
        if ((st = write_files(setup, err)) != BEARER_OK)
            return st;
        if (setup->secret_backup != NULL)
            show_written(plan->values[OPT_CLIENT_SECRET_FILE], setup->secret_backup);
        if (setup->changes_conf)
            show_written(setup->conf.path, setup->backup);
        if ((st = try_account(plan, err)) != BEARER_OK)
            return st;
    }
    show_instructions(setup);
    return BEARER_OK;
}

/* ------------------------------------------------------------------ the command */

/* For scripts: from the command line, and from the account if there is one.  Nothing is asked or written. */
static enum bearer_status print(struct bearer_context *context, const struct arguments *arguments, struct bearer_error *err)
{
    struct setup_plan plan = { .arguments = arguments };
    const struct bearer_account *account = NULL;
    struct bearer_holder *holder;
    struct instructions about;
    enum bearer_status st;
    char *url = NULL;

    if (arguments->user != NULL && bearer_context_find(context, arguments->user, &holder, NULL) == BEARER_OK)
        account = bearer_holder_account(holder);
    plan.app_only =
        arguments->given & ARG_APP_ONLY ||
        (!(arguments->given & ARG_DELEGATED) && (account == NULL || account->provider->on_behalf == BEARER_FOR_APPLICATION));
    if ((st = setup_plan_check_values(arguments, err)) != BEARER_OK ||
        (st = setup_plan_take_mailboxes(&plan, err)) != BEARER_OK)
        goto out;
    about = about_plan(&plan);
    about.cloud = arguments_value(arguments, ARG_CLOUD);
    about.tenant = arguments_value(arguments, ARG_TENANT);
    about.client_id = arguments_value(arguments, ARG_CLIENT_ID);
    about.object_id = arguments_value(arguments, ARG_OBJECT_ID);
    if (account != NULL) {
        about.cloud = about.cloud != NULL ? about.cloud : account->values[OPT_CLOUD];
        about.tenant = about.tenant != NULL ? about.tenant : account->values[OPT_TENANT];
        about.client_id = about.client_id != NULL ? about.client_id : account->values[OPT_CLIENT_ID];
    }
    if (!plan.app_only && arguments->user != NULL && !bearer_text_is_pattern(arguments->user))
        about.person = account != NULL ? account->name : arguments->user;
    if (arguments->given & ARG_PRINT_CONSENT_URL) {
        if ((url = instructions_consent_url(&about)) == NULL)
            st = bearer_fail(err, BEARER_NOMEM, "out of memory");
        else
            puts(url);
    }
    if (arguments->given & ARG_PRINT_POWERSHELL)
        instructions_powershell(stdout, &about);
out:
    free(url);
    setup_plan_clear(&plan);
    return st;
}

/* Relative to here, a name means nothing in sasl.conf. */
static enum bearer_status find_file(const struct arguments *arguments, char **path_out, enum bearer_level *level_out,
                                    struct bearer_error *err)
{
    enum bearer_status st = environment_conf_file(arguments->choice, path_out, level_out, err);
    char *here, *path;

    if (st != BEARER_OK || **path_out == '/')
        return st;
    here = getcwd(NULL, 0);
    path = here != NULL ? bearer_text_format("%s/%s", here, *path_out) : NULL;
    free(here);
    free(*path_out);
    *path_out = path;
    return path != NULL ? BEARER_OK : bearer_fail(err, BEARER_LOCAL, "cannot tell the current directory: %m");
}

static int run(struct bearer_context *context, const struct arguments *arguments)
{
    struct setup setup = { .plan = { .arguments = arguments }, .context = context };
    struct bearer_error err = BEARER_ERROR_INIT;
    enum bearer_status st;
    char *file = NULL;

    if (arguments->given & (ARG_PRINT_POWERSHELL | ARG_PRINT_CONSENT_URL)) {
        st = print(context, arguments, &err);
        return st == BEARER_OK ? EX_OK : command_fail(&err);
    }
    st = find_file(arguments, &file, &setup.plan.level, &err);
    setup.plan.file = file;
    if (st == BEARER_OK)
        st = set_up(&setup, &err);
    fflush(stdout);
    setup_plan_clear(&setup.plan);
    conf_writer_close(&setup.conf);
    made_certificate_clear(&setup.certificate);
    free(setup.backup);
    free(setup.secret_backup);
    free(file);
    return st == BEARER_OK ? EX_OK : command_fail(&err);
}

const struct command command_setup = {
    .name = "setup",
    .synopsis = "[--delegated|--app-only] [--mailbox ADDRESS]... [OPTION]... [USER]",
    .summary = "write sasl.conf, and tell what is to be done in Entra and Exchange",
    .help = "  --delegated    USER, or a pattern of names, signs in\n"
            "  --app-only     an application logs in on its own\n"
            "  --tenant TENANT\n"
            "                 directory (tenant) id, or a domain of the tenant's\n"
            "  --client-id ID the application (client) id\n"
            "  --cloud CLOUD  public, usgov, usgov_dod or china\n"
            "  --secret-file FILE\n"
            "                 the file that holds the application's secret; - reads it from standard input "
            "and keeps it in a file beside sasl.conf\n"
            "  --secret-expires DATE\n"
            "                 when it ends, YYYY-MM-DD\n"
            "  --certificate FILE\n"
            "                 the file that holds the application's certificate and key\n"
            "  --make-certificate FILE\n"
            "                 make them, good for a year, and tell what to upload\n"
            "  --mailbox ADDRESS\n"
            "                 a mailbox the application uses, or a shared one that USER opens; may be repeated\n"
            "  --object-id ID the application's object id: the one under Enterprise applications\n"
            "  --yes          ask nothing: take the usual answers, and write\n"
            "  --print-powershell\n"
            "                 only print what is to be done in Exchange Online\n"
            "  --print-consent-url\n"
            "                 only print the link with which an administrator consents\n\n"
            "What is not given is asked for, on a terminal.\n\n",
    .accepts = ARG_DELEGATED | ARG_APP_ONLY | ARG_TENANT | ARG_CLIENT_ID | ARG_CLOUD | ARG_SECRET_FILE | ARG_SECRET_EXPIRES |
               ARG_CERTIFICATE | ARG_MAKE_CERTIFICATE | ARG_MAILBOX | ARG_OBJECT_ID | ARG_YES | ARG_PRINT_POWERSHELL |
               ARG_PRINT_CONSENT_URL,
    .user = USER_OPTIONAL,
    .run = run,
};
