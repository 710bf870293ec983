/* page.h - what a browser shows at the end of a sign-in.  Plain HTML that loads nothing; free it.  NULL: out of memory. */
#ifndef TOOL_PAGE_H
#define TOOL_PAGE_H

/* user: who signed in. */
char *page_signed_in(const char *user);

/* reason: what went wrong and what to do, a sentence without its full stop. */
char *page_failed(const char *reason);

#endif
