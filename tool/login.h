/* login.h - the ways to sign in: a file each.  They tell what goes wrong themselves, and give the exit code. */
#ifndef TOOL_LOGIN_H
#define TOOL_LOGIN_H

#include "credential/context.h"

#include <stdbool.h>

/* any_user: somebody else than the account's name may sign in. */
int login_by_browser(struct bearer_context *context, struct bearer_holder *holder, bool any_user);
int login_by_device(struct bearer_context *context, struct bearer_holder *holder, bool any_user);
int login_by_refresh_token(struct bearer_context *context, struct bearer_holder *holder, bool any_user);

/* Shows on this line of the terminal how long there is still time, and words behind it; does away with it. */
void login_show_countdown(int64_t milliseconds, const char *words);
void login_hide_countdown(void);

#endif
