/* browser.h - opening the person's browser. */
#ifndef TOOL_BROWSER_H
#define TOOL_BROWSER_H

#include <stdbool.h>

/* Asks the desktop to open a URL, by xdg-open(1).  False: there is none, or we are root, whose browser nobody wants. */
bool browser_open(const char *url);

#endif
