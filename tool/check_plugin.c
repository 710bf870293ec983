/* check_plugin.c - what libsasl2 makes of our plugin, and whether provider modules load.  Both in child processes: plugins
 * and modules are other people's code as much as ours, and stay loaded. */
#include "credential/places.h"
#include "credential/providers.h"
#include "credential/text.h"
#include "tool/check.h"
#include "tool/check_probe.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <sasl/sasl.h>
#include <sasl/saslplug.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define AREA      "plugin"
#define PLUGIN    "saslbearer" /* as libsasl2 calls it: its file without lib and .so */
#define FILE_NAME "lib" PLUGIN ".so"

/* ------------------------------------------------------------------ in the child */

/* Where libsasl2 says what it does; its callbacks know no other way. */
static FILE *child_out;

/* libsasl2 tells its plugin path to plugins alone, so for a moment this program is one. */
static int tell_path(const sasl_utils_t *utils, int max_version, int *out_version, sasl_client_plug_t **pluglist,
                     int *plugcount)
{
    sasl_callback_ft function = NULL;
    void *context = NULL;
    const char *path = NULL;

    (void)max_version;
    if (utils->getcallback(utils->conn, SASL_CB_GETPATH, &function, &context) == SASL_OK && function != NULL &&
        ((sasl_getpath_t *)(void *)function)(context, &path) == SASL_OK && path != NULL)
        fprintf(child_out, "path %s\n", path);
    *out_version = SASL_CLIENT_PLUG_VERSION;
    *pluglist = NULL;
    *plugcount = 0;
    return SASL_OK;
}

static void tell_mechanism(client_sasl_mechanism_t *mechanism, sasl_info_callback_stage_t stage, void *out)
{
    if (stage == SASL_INFO_LIST_MECH)
        fprintf(out, "mechanism %s %s\n", mechanism->plug->mech_name, mechanism->plugname);
}

static int tell_plugin(struct dl_phdr_info *info, size_t size, void *out)
{
    const char *base = strrchr(info->dlpi_name, '/');

    (void)size;
    if (base != NULL && strcmp(base + 1, FILE_NAME) == 0)
        fprintf(out, "loaded %s\n", info->dlpi_name);
    return 0;
}

static int take_log(void *context, int level, const char *message)
{
    (void)context;
    if (level <= SASL_LOG_WARN && strstr(message, PLUGIN) != NULL) /* its other troubles are not ours */
        fprintf(child_out, "log %.*s\n", (int)strcspn(message, "\n"), message);
    return SASL_OK;
}

/* Does what any program does that uses libsasl2. */
static void start_libsasl2(FILE *out, void *data)
{
    static const sasl_callback_t callbacks[] = {
        { SASL_CB_LOG, (sasl_callback_ft)(void *)take_log, NULL },
        { SASL_CB_LIST_END, NULL, NULL },
    };

    (void)data;
    child_out = out;
    if (sasl_client_init(callbacks) != SASL_OK)
        return;
    sasl_client_add_plugin("sasl-bearer-check", tell_path);
    sasl_client_plugin_info(NULL, tell_mechanism, out);
    dl_iterate_phdr(tell_plugin, out);
}

/* ------------------------------------------------------------------ what it told */

/* Gives the rest of the next line that begins with a word, from *cursor on; NULL after the last.  Free it. */
static char *next_line(const char **cursor, const char *word)
{
    size_t length = strlen(word);

    while (**cursor != '\0') {
        const char *line = *cursor;
        size_t end = strcspn(line, "\n");

        *cursor += end + (line[end] == '\n');
        if (strncmp(line, word, length) == 0 && line[length] == ' ')
            return strndup(line + length + 1, end - length - 1);
    }
    return NULL;
}

static char *first_line(const char *told, const char *word)
{
    return next_line(&told, word);
}

static bool has_line(const char *told, const char *line)
{
    size_t length = strlen(line);

    for (const char *at = told; (at = strstr(at, line)) != NULL; at++)
        if ((at == told || at[-1] == '\n') && (at[length] == '\n' || at[length] == '\0'))
            return true;
    return false;
}

/* ------------------------------------------------------------------ found? */

static void say_file(struct check *check, const char *file)
{
    struct stat status;

    if (stat(file, &status) != 0)
        check_say(check, CHECK_PROBLEM, AREA, "install it anew", "cannot look at '%s': %s", file, strerror(errno));
    else if (access(file, R_OK) != 0 || !(status.st_mode & S_IROTH))
        check_say_remedy(check, CHECK_PROBLEM, AREA, bearer_text_format("run chmod 644 '%s'", file),
                         "not everybody can read '%s'", file);
    else
        check_say(check, CHECK_SKIPPED, AREA, NULL, "'%s' is there", file);
}

/* libsasl2 did not load it.  Looks through the directories where it should be. */
static void look_for_file(struct check *check, const char *path)
{
    char *copy = strdup(path), *rest = copy;
    bool found = false;

    for (const char *directory; rest != NULL && (directory = strsep(&rest, ":")) != NULL;) {
        char *file = bearer_text_format("%s/" FILE_NAME, directory);

        if (file != NULL && access(file, F_OK) == 0) {
            found = true;
            say_file(check, file);
        }
        free(file);
    }
    if (!found)
        check_say_remedy(
            check, CHECK_PROBLEM, AREA,
            bearer_text_format("install it there: configure --with-saslplugindir=%.*s", (int)strcspn(path, ":"), path),
            FILE_NAME " is not where libsasl2 looks for plugins, which is '%s'", path);
    else
        check_say(check, CHECK_PROBLEM, AREA, "install it anew, built for this machine's libsasl2",
                  "libsasl2 cannot load " FILE_NAME);
    free(copy);
}

/* ------------------------------------------------------------------ ours? */

/* Plugin and command share a directory of modules, whose path is in both. */
static bool names_our_modules(const char *file)
{
    const char *directory = bearer_provider_directory();
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    struct stat status;
    bool found = true; /* unless we can tell */
    void *content;

    if (fd >= 0 && fstat(fd, &status) == 0 && status.st_size > 0) {
        content = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (content != MAP_FAILED) {
            found = memmem(content, (size_t)status.st_size, directory, strlen(directory) + 1) != NULL;
            munmap(content, (size_t)status.st_size);
        }
    }
    if (fd >= 0)
        close(fd);
    return found;
}

static void look_at_loaded(struct check *check, const char *told)
{
    char *file;
    unsigned count = 0;

    for (const char *cursor = told; (file = next_line(&cursor, "loaded")) != NULL; free(file), count++) {
        check_say(check, CHECK_OK, AREA, NULL, "libsasl2 loads '%s'", file);
        if (!names_our_modules(file))
            check_say(check, CHECK_WARNING, AREA, "remove the older of the two installations",
                      "'%s' is not of the same installation as this command, whose modules are in '%s'", file,
                      bearer_provider_directory());
    }
    if (count > 1)
        check_say(check, CHECK_WARNING, AREA, "remove all but one", "libsasl2 loads %u plugins of that name", count);
}

/* ------------------------------------------------------------------ registered? */

/* Two of a name: libsasl2 takes the one it loaded last, which depends on the order of a directory's entries. */
static void look_for_rivals(struct check *check, const char *told)
{
    char *row, plugin[64], mechanism[64];

    for (const char *cursor = told; (row = next_line(&cursor, "mechanism")) != NULL; free(row))
        if (sscanf(row, "%63s %63s", mechanism, plugin) == 2 && strcmp(plugin, PLUGIN) != 0 &&
            bearer_text_has_word("XOAUTH2 OAUTHBEARER", mechanism))
            check_say_remedy(
                check, CHECK_PROBLEM, AREA,
                bearer_text_format("remove lib%s.so from libsasl2's plugin directory, or the package it came with", plugin),
                "the plugin '%s' offers %s, too: which of the two a program gets is a matter of chance", plugin, mechanism);
}

static void look_at_registration(struct check *check, const char *told)
{
    bool xoauth2 = has_line(told, "mechanism XOAUTH2 " PLUGIN),
         oauthbearer = has_line(told, "mechanism OAUTHBEARER " PLUGIN);

    if (xoauth2 && oauthbearer)
        check_say(check, CHECK_OK, AREA, NULL, "programs are offered XOAUTH2 and OAUTHBEARER");
    else if (!bearer_context_is_configured(check->context) || check->arguments->choice->conf != NULL)
        check_say(check, CHECK_SKIPPED, AREA, NULL,
                  "the plugin offers nothing, for it finds no account where programs look for sasl.conf");
    else
        check_say(check, CHECK_PROBLEM, AREA,
                  "see that this command and the program read the same sasl.conf, and are of one version",
                  "the plugin is loaded, but offers nothing");
    look_for_rivals(check, told);
}

static void look_at_libsasl2(struct check *check)
{
    bool ended;
    char *told = probe_in_child(start_libsasl2, NULL, &ended), *path = told != NULL ? first_line(told, "path") : NULL;
    char *loaded = told != NULL ? first_line(told, "loaded") : NULL, *line;

    if (told == NULL || !ended)
        check_say(check, CHECK_PROBLEM, AREA,
                  "remove plugins from libsasl2's directory until this works, then tell the makers of the last",
                  "a program that starts libsasl2 crashes or hangs");
    for (const char *cursor = told; told != NULL && (line = next_line(&cursor, "log")) != NULL; free(line))
        check_say(check, CHECK_WARNING, AREA, NULL, "libsasl2 says: %s", line);
    if (loaded == NULL)
        look_for_file(check, path != NULL ? path : "unknown");
    else {
        look_at_loaded(check, told);
        look_at_registration(check, told);
    }
    free(loaded);
    free(path);
    free(told);
}

/* ------------------------------------------------------------------ modules */

/* Tells what a library that a module brought calls itself. */
static void tell_library(FILE *out, const char *file, const char *function, int argument)
{
    void *library = dlopen(file, RTLD_LAZY | RTLD_NOLOAD);
    const char *(*version)(int) = NULL;

    if (library != NULL)
        *(void **)&version = dlsym(library, function);
    if (version != NULL)
        fprintf(out, "library %s\n", version(argument));
}

static void load_module(FILE *out, void *data)
{
    const struct bearer_account *account = data;
    const struct bearer_provider *provider;
    struct bearer_error err = BEARER_ERROR_INIT;

    if (bearer_provider_load(bearer_provider_directory(), account->provider_name, account->provider->flags, &provider,
                             &err) != BEARER_OK) {
        fprintf(out, "error %s\n", err.text);
        return;
    }
    tell_library(out, "libcurl.so.4", "curl_version", 0); /* which takes no argument, and does not mind */
    tell_library(out, "libcurl-gnutls.so.4", "curl_version", 0);
    tell_library(out, "libcrypto.so.3", "OpenSSL_version", 0);
    fprintf(out, "fine %s\n", account->provider_name);
}

static void look_at_module(struct check *check, const struct bearer_account *account)
{
    /* The child only reads it. */
    char *told = probe_in_child(load_module, (void *)(uintptr_t)account, NULL);
    char *error = told != NULL ? first_line(told, "error") : NULL, *library;

    if (error != NULL)
        check_say(check, CHECK_PROBLEM, "modules", "install it anew, of this version", "%s", error);
    else if (told == NULL || strstr(told, "fine ") == NULL)
        check_say(check, CHECK_PROBLEM, "modules", "build it anew, or tell its makers",
                  "the module of provider %s crashes when it is loaded", account->provider_name);
    else
        check_say(check, CHECK_OK, "modules", NULL, "the module of provider %s can be loaded", account->provider_name);
    for (const char *cursor = told;
         check->report != NULL && told != NULL && (library = next_line(&cursor, "library")) != NULL; free(library))
        check_say(check, CHECK_OK, "modules", NULL, "it uses %s", library);
    free(error);
    free(told);
}

/* A module that many accounts share is looked at once: data holds the names of those that were, blank-separated. */
static void look_at_account(struct check *check, struct bearer_holder *holder, const char *name, void *data)
{
    const struct bearer_account *account = bearer_holder_account(holder);
    char **seen = data, *before = *seen;

    (void)name;
    if (before != NULL && bearer_text_has_word(before, account->provider_name))
        return;
    *seen = bearer_text_format("%s %s", before != NULL ? before : "", account->provider_name);
    free(before);
    look_at_module(check, account);
}

void check_plugin(struct check *check)
{
    char *seen = NULL;

    look_at_libsasl2(check);
    check_each(check, look_at_account, &seen);
    free(seen);
}
