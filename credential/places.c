/* places.c - see places.h */
#include "credential/places.h"

#include "credential/text.h"

#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *bearer_system_config_path(const char *libsasl2_path)
{
    const char *wanted = secure_getenv("SASL_CONF_PATH");

    if (wanted != NULL && *wanted == '\0')
        wanted = NULL;
    return bearer_text_format("%s%s%s%s%s", wanted != NULL ? wanted : "", wanted != NULL ? ":" : "",
                              libsasl2_path != NULL ? libsasl2_path : "", libsasl2_path != NULL ? ":" : "",
                              SYSCONFDIR "/sasl2");
}

static bool is_ours(const char *directory)
{
    struct stat status;

    return directory != NULL && directory[0] == '/' && stat(directory, &status) == 0 && S_ISDIR(status.st_mode) &&
           status.st_uid == geteuid();
}

/* The home of the effective user, who may not be the one that $HOME is of. */
static char *home_directory(void)
{
    const char *home = secure_getenv("HOME");
    struct passwd entry, *found = NULL;
    char *buffer, *copy = NULL;
    const size_t size = 16384;

    if (is_ours(home))
        return strdup(home);
    buffer = malloc(size);
    if (buffer != NULL && getpwuid_r(geteuid(), &entry, buffer, size, &found) == 0 && found != NULL &&
        is_ours(found->pw_dir))
        copy = strdup(found->pw_dir);
    free(buffer);
    return copy;
}

/* $VARIABLE/NAME, else HOME/below/NAME, else NULL. */
static char *user_directory(const char *variable, const char *below, const char *name)
{
    const char *base = secure_getenv(variable);
    char *home, *path = NULL;

    if (base != NULL && base[0] == '/')
        return bearer_text_format("%s/%s", base, name);
    home = home_directory();
    if (home != NULL)
        path = bearer_text_format("%s/%s/%s", home, below, name);
    free(home);
    return path;
}

char *bearer_user_config_directory(void)
{
    return geteuid() == 0 ? NULL : user_directory("XDG_CONFIG_HOME", ".config", "sasl2");
}

const char *bearer_system_store(void)
{
    return LOCALSTATEDIR "/lib/sasl-bearer";
}

char *bearer_user_store(void)
{
    char *path = user_directory("XDG_STATE_HOME", ".local/state", "sasl-bearer");
    const char *service = secure_getenv("STATE_DIRECTORY");

    if (path == NULL && service != NULL && service[0] == '/')
        path = strdup(service);
    return path;
}

const char *bearer_provider_directory(void)
{
    return PKGLIBDIR "/providers";
}

const char *bearer_system_ca_file(void)
{
    return CA_FILE;
}
