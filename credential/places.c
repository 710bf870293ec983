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

    if (wanted != NULL && (*wanted == '\0' || (libsasl2_path != NULL && strcmp(wanted, libsasl2_path) == 0)))
        wanted = NULL; /* libsasl2 says the same: no need to look twice */
    return bearer_text_join(wanted != NULL ? wanted : "", wanted != NULL ? ":" : "", libsasl2_path != NULL ? libsasl2_path : "",
                            libsasl2_path != NULL ? ":" : "", SYSCONFDIR "/sasl2", NULL);
}

static bool is_ours(const char *directory)
{
    struct stat status;

    return directory != NULL && directory[0] == '/' && stat(directory, &status) == 0 && S_ISDIR(status.st_mode) &&
           status.st_uid == geteuid();
}

/* Lends $HOME if it is the effective user's, else NULL. */
static const char *own_home(void)
{
    const char *home = secure_getenv("HOME");

    return is_ours(home) ? home : NULL;
}

/* The home of the effective user, who may not be the one that $HOME is of. */
static char *home_directory(void)
{
    const char *home = own_home();
    struct passwd entry, *found = NULL;
    char *buffer, *copy = NULL;
    const size_t size = 16384;

    if (home != NULL)
        return strdup(home);
    buffer = malloc(size);
    if (buffer != NULL && getpwuid_r(geteuid(), &entry, buffer, size, &found) == 0 && found != NULL &&
        is_ours(found->pw_dir))
        copy = strdup(found->pw_dir);
    free(buffer);
    return copy;
}

/* Lends an XDG variable that is an absolute path, else NULL. */
static const char *xdg(const char *variable)
{
    const char *base = secure_getenv(variable);

    return base != NULL && base[0] == '/' ? base : NULL;
}

/* Runs whenever a program initialises libsasl2, so it asks no name service. */
char *bearer_user_config_directory(void)
{
    const char *base = xdg("XDG_CONFIG_HOME"), *home;

    if (geteuid() == 0)
        return NULL;
    if (base != NULL)
        return bearer_text_join(base, "/sasl2", NULL);
    home = own_home();
    return home != NULL ? bearer_text_join(home, "/.config/sasl2", NULL) : NULL;
}

const char *bearer_system_store(void)
{
    return LOCALSTATEDIR "/lib/sasl-bearer";
}

char *bearer_user_store(void)
{
    const char *base = xdg("XDG_STATE_HOME"), *service = xdg("STATE_DIRECTORY");
    char *home, *path = NULL;

    if (base != NULL)
        return bearer_text_join(base, "/sasl-bearer", NULL);
    home = home_directory();
    if (home != NULL)
        path = bearer_text_join(home, "/.local/state/sasl-bearer", NULL);
    else if (service != NULL)
        path = strdup(service);
    free(home);
    return path;
}

char *bearer_credential_path(const char *name)
{
    const char *directory = secure_getenv("CREDENTIALS_DIRECTORY");

    return directory != NULL && directory[0] == '/' ? bearer_text_join(directory, "/", name, NULL) : NULL;
}

const char *bearer_provider_directory(void)
{
    return PKGLIBDIR "/providers";
}

const char *bearer_system_ca_file(void)
{
    return CA_FILE;
}
