"""refusals.py - how Entra says no.

Every refusal of the identity platform is one row here: HTTP status, OAuth error, text.  Code that
wants to refuse raises Refusal(number, name=value, ...); the web layer turns it into Entra's JSON.
Programs are meant to act on "error" and show "error_description", so both follow the originals.
"""

import time
import uuid

# number: (HTTP status, "error", text of error_description)
ROWS = {
    16000: (400, "interaction_required",
            "User account '{user}' from identity provider does not exist in tenant '{tenant}' and cannot access "
            "the application '{client_id}' in that tenant."),
    28002: (400, "invalid_scope",
            "Provided value for the input parameter scope '{scope}' is not valid when requesting an access token. "
            "Please specify scopes of one resource."),
    28003: (400, "invalid_scope",
            "Provided value for the input parameter scope can't be empty when requesting an access token."),
    50020: (400, "invalid_grant",
            "User account '{user}' does not exist in tenant '{tenant}' and cannot access the application "
            "'{client_id}' in that tenant. The account needs to be added as an external user in the tenant first."),
    50034: (400, "invalid_grant", "The user account {user} does not exist in the {tenant} directory."),
    50053: (400, "invalid_grant",
            "The account is locked, you've tried to sign in too many times with an incorrect user ID or password."),
    50055: (400, "invalid_grant", "The password is expired."),
    50057: (400, "invalid_grant", "The user account is disabled."),
    50059: (400, "invalid_request",
            "No tenant-identifying information found in either the request or implied by any provided credentials."),
    50076: (400, "invalid_grant",
            "Due to a configuration change made by your administrator, or because you moved to a new location, you "
            "must use multi-factor authentication to access '00000002-0000-0ff1-ce00-000000000000'."),
    50105: (400, "invalid_grant",
            "Your administrator has configured the application '{client_id}' to block users unless they are "
            "specifically granted access to it."),
    50173: (400, "invalid_grant",
            "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might "
            "have changed or reset their password. The grant was issued on '{issued}' and the TokensValidFrom date "
            "(before which tokens are not valid) for this user is '{valid_from}'."),
    50194: (400, "invalid_request",
            "Application '{client_id}'({app}) is not configured as a multi-tenant application. Usage of the "
            "/{alias} endpoint is not supported for such apps created after '10/15/2018'. Use a tenant-specific "
            "endpoint or configure the application to be multi-tenant."),
    50196: (400, "invalid_grant",
            "The server terminated an operation because it encountered a client request loop. Please contact your "
            "app vendor."),
    53000: (400, "invalid_grant",
            "Device is not in required device state: compliant. Conditional Access policy requires a compliant "
            "device, and the device is not compliant."),
    53003: (400, "invalid_grant",
            "Access has been blocked by Conditional Access policies. The access policy does not allow token "
            "issuance."),
    54005: (400, "invalid_grant",
            "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing "
            "refresh token."),
    65001: (400, "invalid_grant",
            "The user or administrator has not consented to use the application with ID '{client_id}' named "
            "'{app}'. Send an interactive authorization request for this user and resource."),
    65004: (400, "authorization_declined", "User declined to consent to access the app."),
    70000: (400, "invalid_grant", "Provided grant is invalid or malformed."),
    70003: (400, "unsupported_grant_type", "The app requested an unsupported grant type '{grant_type}'."),
    70008: (400, "invalid_grant",
            "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive "
            "authorization request for this user and resource."),
    70011: (400, "invalid_scope",
            "The provided request must include a 'scope' input parameter. The provided value for the input "
            "parameter 'scope' is not valid. The scope {scope} is not valid."),
    70016: (400, "authorization_pending",
            "OAuth 2.0 device flow error. Authorization is pending. Continue polling."),
    70018: (400, "bad_verification_code", "The device code is not recognized. Verify the device_code parameter."),
    70019: (400, "expired_token", "Verification code expired. Have the user retry the sign-in."),
    70043: (400, "invalid_grant",
            "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access."),
    90002: (400, "invalid_request",
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into "
            "the correct cloud. Check with your subscription administrator, this may happen if there are no active "
            "subscriptions for the tenant."),
    90033: (503, "temporarily_unavailable", "A transient error has occurred. Please try again."),
    90120: (400, "invalid_grant", "The transaction to authorize is invalid: the device code was already used."),
    135010: (400, "invalid_grant", "Key was not found."),
    500011: (400, "invalid_resource",
             "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen "
             "if the application has not been installed by the administrator of the tenant or consented to by any "
             "user in the tenant. You might have sent your authentication request to the wrong tenant."),
    500208: (400, "invalid_grant", "The domain is not a valid login domain for the account type."),
    530036: (400, "invalid_grant",
             "The refresh token can no longer be used because of the authentication flow it came from."),
    650052: (400, "invalid_client",
             "The app is trying to access a service '00000002-0000-0ff1-ce00-000000000000' that your organization "
             "'{tenant}' lacks a service principal for."),
    700005: (400, "invalid_grant",
             "Provided Authorization Code is intended to use against other tenant, thus rejected."),
    700016: (400, "unauthorized_client",
             "Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen "
             "if the application has not been installed by the administrator of the tenant or consented to by any "
             "user in the tenant. You may have sent your authentication request to the wrong tenant."),
    700024: (401, "invalid_client", "Client assertion is not within its valid time range."),
    700025: (401, "invalid_client",
             "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."),
    700027: (401, "invalid_client",
             "The certificate with identifier used to sign the client assertion is not registered on application."),
    700082: (400, "invalid_grant",
             "The refresh token has expired due to inactivity. The token was issued on {issued} and was inactive "
             "for {lifetime} seconds."),
    900144: (400, "invalid_request", "The request body must contain the following parameter: '{parameter}'."),
    900561: (400, "invalid_request", "The endpoint only accepts POST requests. Received a {method} request."),
    901002: (400, "invalid_request", "The 'resource' request parameter is not supported."),
    1002012: (400, "invalid_scope",
              "The provided value for scope {scope} is not valid. Client credential flows must have a scope value "
              "with /.default suffixed to the resource identifier (application ID URI)."),
    7000112: (400, "unauthorized_client", "Application '{client_id}'({app}) is disabled."),
    7000215: (401, "invalid_client",
              "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
              "value, not the client secret ID, for a secret added to app '{client_id}'."),
    7000216: (401, "invalid_client",
              "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant "
              "type."),
    7000218: (401, "invalid_client",
              "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."),
    7000222: (401, "invalid_client",
              "The provided client secret keys for app '{client_id}' are expired. Visit the Azure portal to create "
              "new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for "
              "added security: https://aka.ms/certCreds."),
    7000229: (400, "unauthorized_client",
              "The client application {client_id} is missing service principal in the tenant {tenant}."),
    9001023: (400, "invalid_request",
              "The grant type is not supported over the /common or /consumers endpoints. Please use the "
              "/organizations or tenant-specific endpoint."),
    9002313: (400, "invalid_request", "Invalid request. Request is malformed or invalid."),
    9002332: (400, "invalid_request",
              "Application '{client_id}'({app}) is configured for use by Azure Active Directory users only. Please "
              "do not use the /consumers endpoint to serve this request."),
}

# What Entra adds under "suberror" where the number alone does not tell the client what to do.
SUBERRORS = {50057: "bad_token", 50076: "basic_action", 50173: "bad_token", 53003: "message_only",
             65001: "consent_required", 70008: "token_expired", 70043: "token_expired", 700082: "token_expired"}


class Words(dict):
    """The values for a row's text; what nobody supplied reads '?' instead of failing the refusal."""

    def __missing__(self, key):
        return "?"


class Refusal(Exception):
    """A refusal on its way to the client.  The row gives status, error and text; `error`, `suberror`
    and `status` replace the row's where one number has several faces."""

    def __init__(self, number, error=None, suberror=None, status=None, **words):
        row_status, row_error, text = ROWS[number]
        super().__init__(f"AADSTS{number}")
        self.number = number
        self.status = status or row_status
        self.error = error or row_error
        self.suberror = suberror or SUBERRORS.get(number)
        self.text = text.format_map(Words(words))

    def document(self, host, correlation_id, line_break=" "):
        """The JSON object of the reply.  `line_break` separates the parts of the description; Entra has
        used both a blank and CRLF there."""
        trace_id = str(uuid.uuid4())
        timestamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        description = line_break.join((f"AADSTS{self.number}: {self.text}", f"Trace ID: {trace_id}",
                                       f"Correlation ID: {correlation_id}", f"Timestamp: {timestamp}"))
        document = {"error": self.error, "error_description": description, "error_codes": [self.number],
                    "timestamp": timestamp, "trace_id": trace_id, "correlation_id": correlation_id,
                    "error_uri": f"https://{host}/error?code={self.number}"}
        if self.suberror:
            document["suberror"] = self.suberror
        return document


class SlowDown(Refusal):
    """RFC 8628's slow_down, which has no AADSTS number of its own and borrows that of "pending"."""

    def __init__(self):
        super().__init__(70016, error="slow_down")
        self.text = "OAuth 2.0 device flow error. Polling too fast: wait five seconds longer from now on."
