/* device.h - signing in with a code typed in elsewhere: the device authorization grant (RFC 8628). */
#ifndef BEARER_DEVICE_H
#define BEARER_DEVICE_H

#include "credential/provider.h"

/* A provider's sign_in.  Shows link and code, then polls until the person is done, declines, or the code expires. */
enum bearer_status device_sign_in(const struct bearer_request *request, const struct bearer_ceremony *ceremony);

#endif
