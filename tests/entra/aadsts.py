"""aadsts.py - the refusals of the identity platform, a row per number.

The numbers are Microsoft's; status and "error" too, where they are documented or reported; the wording is in their
manner.
"""

# number: (HTTP status, "error", text of error_description)
ROWS = {
    16000: (400, "interaction_required",
            "User account '{user}' from identity provider does not exist in tenant '{tenant}' and cannot access the "
            "application '{client_id}' in that tenant."),
    16001: (400, "interaction_required", "User account selection is invalid. Select another account."),
    28002: (400, "invalid_scope",
            "Provided value for the input parameter scope '{scope}' is not valid when requesting an access token. "
            "Please specify scopes of one resource."),
    28003: (400, "invalid_scope",
            "Provided value for the input parameter scope can't be empty when requesting an access token."),
    50000: (500, "server_error", "There was an error issuing a token or an issue with our sign-in service."),
    50001: (400, "invalid_resource",
            "The resource is disabled, or the resource named '{resource}' was not found in the tenant named "
            "{tenant}."),
    50005: (400, "interaction_required",
            "User tried to sign in to a device from a platform that is currently not supported through Conditional "
            "Access policy."),
    50011: (400, "invalid_request",
            "The redirect URI specified in the request does not match the redirect URIs configured for the "
            "application '{client_id}'."),
    50012: (401, "invalid_client",
            "Authentication failed: the certificate's thumbprint, subject or chain, or the assertion's signature, "
            "is not authorized."),
    50013: (400, "invalid_grant",
            "Assertion failed signature validation. [Reason - The key was not found, or its signature did not "
            "match.]"),
    50014: (400, "invalid_grant",
            "The guest user's redemption is in a pending state. The guest account has not been fully created yet."),
    50020: (400, "invalid_grant",
            "User account '{user}' does not exist in tenant '{tenant}' and cannot access the application "
            "'{client_id}' in that tenant. The account needs to be added as an external user in the tenant first."),
    50027: (400, "invalid_request", "JWT token is invalid or malformed: {reason}."),
    50033: (503, "temporarily_unavailable", "A transient error has occurred. Please try again."),
    50034: (400, "invalid_grant", "The user account {user} does not exist in the {tenant} directory."),
    50048: (401, "invalid_client",
            "Subject must match Issuer claim in the client assertion, and both must be the client's identifier."),
    50049: (400, "invalid_instance", "Unknown or invalid instance."),
    50053: (400, "invalid_grant",
            "The account is locked, you've tried to sign in too many times with an incorrect user ID or password."),
    50055: (400, "invalid_grant", "The password is expired."),
    50056: (400, "invalid_grant",
            "Invalid or null password: the password does not exist in the directory for this user."),
    50057: (400, "invalid_grant", "The user account is disabled."),
    50058: (400, "login_required", "A silent sign-in request was sent but no user is signed in."),
    50059: (400, "invalid_request",
            "No tenant-identifying information found in either the request or implied by any provided credentials."),
    50064: (400, "invalid_grant", "Credential validation has failed."),
    50072: (400, "invalid_grant",
            "Due to a configuration change made by your administrator, or because you moved to a new location, you "
            "must enroll in multi-factor authentication."),
    50074: (400, "invalid_grant", "Strong Authentication is required."),
    50076: (400, "invalid_grant",
            "Due to a configuration change made by your administrator, or because you moved to a new location, you "
            "must use multi-factor authentication to access '00000002-0000-0ff1-ce00-000000000000'."),
    50078: (400, "invalid_grant",
            "Presented multi-factor authentication has expired due to policies configured by your administrator, "
            "you must refresh your multi-factor authentication."),
    50079: (400, "invalid_grant",
            "Due to a configuration change made by your administrator, or because you moved to a new location, you "
            "must enroll in multi-factor authentication to access '00000002-0000-0ff1-ce00-000000000000'."),
    50085: (400, "invalid_grant",
            "Refresh token needs social identity provider login. Have the user sign in again with user name and "
            "password."),
    50087: (503, "temporarily_unavailable", "A transient error has occurred during sign-out. Please try again."),
    50088: (400, "temporarily_unavailable", "Limit on telecom MFA calls reached. Please try again in a few minutes."),
    50089: (400, "invalid_grant", "Flow token expired. Authentication failed; have the user sign in again."),
    50097: (400, "interaction_required", "Device authentication is required."),
    50105: (400, "invalid_grant",
            "Your administrator has configured the application '{client_id}' to block users unless they are "
            "specifically granted access to it."),
    50126: (400, "invalid_grant", "Error validating credentials due to invalid username or password."),
    50128: (400, "invalid_request",
            "Invalid domain name. No tenant-identifying information found in either the request or implied by any "
            "provided credentials."),
    50131: (400, "invalid_grant",
            "Device is not in required device state, or the request was blocked due to suspicious activity, access "
            "policy, or security policy decisions."),
    50132: (400, "invalid_grant",
            "The session is not valid due to the following reasons: password expiration or recent password change."),
    50133: (400, "invalid_grant", "Session is invalid due to expiration or recent password change."),
    50134: (400, "invalid_grant", "Wrong data center: approve the code in the region in which it was asked for."),
    50135: (400, "invalid_grant", "Password change is required due to account risk."),
    50140: (400, "interaction_required",
            "This error occurred due to 'Keep me signed in' interrupt when the user was signing in."),
    50144: (400, "invalid_grant",
            "The user's Active Directory password has expired. Have the user reset the password."),
    50147: (400, "invalid_request", "Invalid size of Code_Challenge parameter."),
    50155: (400, "invalid_grant", "Device authentication failed for this user."),
    50158: (400, "interaction_required",
            "External security challenge not satisfied. User will be redirected to another page or authentication "
            "provider to satisfy additional authentication challenges."),
    50166: (503, "temporarily_unavailable", "Request to an external service failed. Please try again."),
    50173: (400, "invalid_grant",
            "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might "
            "have changed or reset their password. The grant was issued on '{issued}' and the TokensValidFrom date "
            "(before which tokens are not valid) for this user is '{valid_from}'."),
    50187: (400, "invalid_grant",
            "Device information is not provided. The service failed to perform device authentication."),
    50194: (400, "invalid_request",
            "Application '{client_id}'({app}) is not configured as a multi-tenant application. Usage of the "
            "/{alias} endpoint is not supported for such apps created after '10/15/2018'. Use a tenant-specific "
            "endpoint or configure the application to be multi-tenant."),
    50196: (400, "invalid_grant",
            "The server terminated an operation because it encountered a client request loop. Please contact your "
            "app vendor."),
    50197: (400, "invalid_grant",
            "Sorry, the user could not be found: identities are in conflict. Please sign in again."),
    50199: (400, "interaction_required",
            "For security reasons, user confirmation is required for this request. Please repeat the request "
            "allowing user interaction."),
    51004: (400, "invalid_grant",
            "The user account {user} does not exist in the {tenant} directory. To sign in, the account must be "
            "added to the directory."),
    53000: (400, "invalid_grant",
            "Device is not in required device state: compliant. Conditional Access policy requires a compliant "
            "device, and the device is not compliant."),
    53001: (400, "invalid_grant",
            "Device is not in required device state: domain_joined. Conditional Access policy requires a domain "
            "joined device, and the device is not domain joined."),
    53002: (400, "invalid_grant", "The app used is not an approved app for Conditional Access."),
    53003: (400, "invalid_grant",
            "Access has been blocked by Conditional Access policies. The access policy does not allow token "
            "issuance."),
    53004: (400, "invalid_grant",
            "The user needs to complete the multi-factor authentication registration process before accessing this "
            "content. It is blocked due to risk."),
    53011: (400, "invalid_grant", "User blocked due to risk on home tenant."),
    54005: (400, "invalid_grant",
            "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing "
            "refresh token."),
    65001: (400, "invalid_grant",
            "The user or administrator has not consented to use the application with ID '{client_id}' named "
            "'{app}'. Send an interactive authorization request for this user and resource."),
    65002: (400, "invalid_client",
            "Consent between first party application '{client_id}' and first party resource must be configured via "
            "preauthorization."),
    65004: (400, "authorization_declined", "User declined to consent to access the app."),
    65005: (400, "invalid_client",
            "The application is misconfigured: it required resource access to a resource that it does not list in "
            "its registration."),
    70000: (400, "invalid_grant", "Provided grant is invalid or malformed."),
    70001: (400, "unauthorized_client", "The application '{client_id}' is disabled."),
    70002: (401, "invalid_client",
            "Error validating credentials. The specified client_secret does not match the expected value for this "
            "client."),
    70003: (400, "unsupported_grant_type", "The app requested an unsupported grant type '{grant_type}'."),
    70004: (400, "invalid_request",
            "Invalid redirect URI: it does not match the addresses configured for the application."),
    70005: (400, "unsupported_response_type", "The app asked for an unsupported response type '{value}'."),
    70007: (400, "invalid_request", "'{value}' is not a supported value for 'response_mode'."),
    70008: (400, "invalid_grant",
            "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive "
            "authorization request for this user and resource."),
    70011: (400, "invalid_scope",
            "The provided request must include a 'scope' input parameter. The provided value for the input "
            "parameter 'scope' is not valid. The scope {scope} is not valid."),
    70012: (500, "server_error", "A server error occurred while authenticating a consumer user. Please try again."),
    70016: (400, "authorization_pending", "OAuth 2.0 device flow error. Authorization is pending. Continue polling."),
    70018: (400, "bad_verification_code", "The device code is not recognized. Verify the device_code parameter."),
    70019: (400, "expired_token", "Verification code expired. Have the user retry the sign-in."),
    70021: (400, "invalid_request", "No matching federated identity record found for presented assertion."),
    70043: (400, "invalid_grant",
            "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access."),
    80002: (503, "temporarily_unavailable", "The on-premises password validation request timed out."),
    80005: (503, "temporarily_unavailable",
            "An unpredictable error happened while processing the response from the on-premises authentication "
            "agent."),
    90002: (400, "invalid_request",
            "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into "
            "the correct cloud. Check with your subscription administrator, this may happen if there are no active "
            "subscriptions for the tenant."),
    90004: (400, "invalid_request", "The request is not properly formatted."),
    90006: (503, "temporarily_unavailable", "The service is temporarily unavailable. Please try again."),
    90008: (400, "invalid_grant",
            "The user or administrator has not consented to use the application. At the minimum, the application "
            "requires the permission to sign in and read the user's profile."),
    90012: (503, "temporarily_unavailable", "The request has timed out."),
    90014: (400, "invalid_request",
            "The required field '{parameter}' is missing from the credential. Ensure that you have all the "
            "necessary parameters for the request."),
    90019: (400, "invalid_request",
            "No tenant-identifying information found in either the request or implied by any provided credentials."),
    90023: (400, "invalid_request", "The authentication service request is not valid: parameter '{parameter}'."),
    90024: (503, "temporarily_unavailable",
            "The request budget was exceeded. A transient error has occurred. Please try again."),
    90027: (400, "invalid_request",
            "The endpoint cannot issue tokens from this API version for a consumer tenant. Use the v2.0 endpoint."),
    90033: (503, "temporarily_unavailable", "A transient error has occurred. Please try again."),
    90038: (400, "invalid_request",
            "The tenant '{tenant}' is served by another national cloud. Send the request to that cloud's endpoint."),
    90055: (429, "temporarily_unavailable",
            "There are too many incoming requests for the tenant '{tenant}'. Please try again."),
    90056: (400, "invalid_request", "The resource is invalid: this endpoint does not exist, or takes another method."),
    90072: (400, "invalid_grant",
            "User account '{user}' from identity provider does not exist in tenant '{tenant}' and cannot access the "
            "application '{client_id}'. The account needs to be added as an external user in the tenant first."),
    90090: (503, "temporarily_unavailable", "The directory service is temporarily unavailable. Please try again."),
    90091: (503, "temporarily_unavailable", "The directory service cannot be reached. Please try again."),
    90094: (400, "invalid_grant",
            "The permission requires the consent of an administrator. Ask your administrator to grant it."),
    90095: (400, "invalid_grant",
            "The permission requires the consent of an administrator, and a request for it can be sent."),
    90100: (400, "invalid_request", "Parameter '{parameter}' is empty or not valid."),
    90119: (400, "invalid_request", "The user code is null or empty."),
    90120: (400, "invalid_grant", "The transaction to authorize is invalid: the device code was already used."),
    90124: (400, "invalid_request",
            "The resource is not supported over the /common or /consumers endpoints. Please use the /organizations "
            "or tenant-specific endpoint."),
    90130: (400, "invalid_request",
            "The application '{client_id}' is not supported over the /common or /consumers endpoints. Please use "
            "the /organizations or tenant-specific endpoint."),
    135010: (400, "invalid_grant", "Key was not found."),
    135011: (400, "invalid_grant", "Device used during the authentication is disabled."),
    500011: (400, "invalid_resource",
             "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen "
             "if the application has not been installed by the administrator of the tenant or consented to by any "
             "user in the tenant. You might have sent your authentication request to the wrong tenant."),
    500014: (400, "invalid_resource",
             "The service principal for resource '{resource}' is disabled. This indicates that a subscription "
             "within the tenant has lapsed, or that the administrator for this tenant has disabled the application."),
    500021: (400, "access_denied",
             "Access to '{tenant}' tenant is denied: your network's administrator allows other tenants only."),
    500022: (400, "access_denied", "Access to '{tenant}' tenant is denied by tenant restrictions."),
    500112: (401, "invalid_client",
             "The reply address '{sent}' does not match the reply address '{before}' provided when requesting "
             "Authorization code."),
    500133: (400, "invalid_grant",
             "Assertion is not within its valid time range. Ensure that the access token is not expired before "
             "using it as an assertion."),
    500208: (400, "invalid_grant", "The domain is not a valid login domain for the account type."),
    500212: (400, "access_denied",
             "The user's administrator has set an outbound access policy that does not allow access to the resource "
             "tenant."),
    500213: (400, "access_denied",
             "The resource tenant's cross-tenant access policy does not allow this user to access this tenant."),
    501481: (400, "invalid_grant",
             "The Code_Verifier does not match the code_challenge supplied in the authorization request."),
    501491: (400, "invalid_request", "Invalid size of Code_Verifier or Code_Challenge parameter."),
    530032: (400, "invalid_grant", "Access has been blocked by the security policy of the tenant."),
    530034: (400, "invalid_grant",
             "A delegated administrator was blocked from accessing the tenant due to account risk in their home "
             "tenant."),
    530035: (400, "invalid_grant", "Access has been blocked by security defaults."),
    530036: (400, "invalid_grant",
             "The refresh token can no longer be used because of the authentication flow it came from."),
    650052: (400, "invalid_client",
             "The app is trying to access a service '00000002-0000-0ff1-ce00-000000000000' that your organization "
             "'{tenant}' lacks a service principal for."),
    650054: (400, "invalid_resource",
             "The application asked for permissions to access a resource that has been removed or is no longer "
             "available."),
    650056: (400, "invalid_client",
             "Misconfigured application. This could be because the client has not listed any permissions in the "
             "requested permissions of its registration, or the admin has not consented in the tenant."),
    650057: (400, "invalid_resource",
             "Invalid resource. The client has requested access to a resource which is not listed in the requested "
             "permissions in the client's application registration."),
    700005: (400, "invalid_grant",
             "Provided Authorization Code is intended to use against other tenant, thus rejected."),
    700011: (400, "unauthorized_client",
             "Application with identifier '{client_id}' was not found in the directory '{tenant}'."),
    700016: (400, "unauthorized_client",
             "Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen "
             "if the application has not been installed by the administrator of the tenant or consented to by any "
             "user in the tenant. You may have sent your authentication request to the wrong tenant."),
    700020: (400, "interaction_required", "The access grant requires interaction."),
    700022: (400, "invalid_scope",
             "The provided value for the input parameter scope is not valid because it contains more than one "
             "resource."),
    700023: (400, "invalid_scope",
             "The provided value for the input parameter scope is not valid because it does not name a resource."),
    700024: (401, "invalid_client",
             "Client assertion is not within its valid time range. Current time: {now}, assertion valid from "
             "{valid_from}, expiry time of assertion {expires}."),
    700025: (401, "invalid_client",
             "Client is public so neither 'client_assertion' nor 'client_secret' should be presented."),
    700027: (401, "invalid_client",
             "Client assertion contains an invalid signature. [Reason - {reason} Thumbprint of key used by client: "
             "'{thumbprint}'. Compare it with the keys configured for app '{client_id}'.]"),
    700030: (401, "invalid_client", "Invalid certificate: the subject name in the certificate is not authorized."),
    700051: (400, "unsupported_response_type", "The response_type 'token' is not enabled for the application."),
    700054: (400, "unsupported_response_type", "The response_type 'id_token' is not enabled for the application."),
    700082: (400, "invalid_grant",
             "The refresh token has expired due to inactivity. The token was issued on {issued} and was inactive "
             "for {lifetime} seconds."),
    700084: (400, "invalid_grant",
             "The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime "
             "of 1.00:00:00, which cannot be extended. It is now expired."),
    700211: (401, "invalid_client",
             "No matching federated identity record found for presented assertion issuer '{value}'. Please check "
             "your federated identity credential Subject, Audience and Issuer against the presented assertion."),
    700212: (401, "invalid_client",
             "No matching federated identity record found for presented assertion audience '{value}'. Please check "
             "your federated identity credential Subject, Audience and Issuer against the presented assertion."),
    700213: (401, "invalid_client",
             "No matching federated identity record found for presented assertion subject '{value}'. The subject "
             "matching is done using case-sensitive comparison. Check your federated identity credential Subject, "
             "Audience and Issuer against the presented assertion."),
    700229: (401, "invalid_client",
             "Only app-only tokens can be used as federated identity credentials for the Entra issuer."),
    700231: (401, "invalid_client",
             "A token that was obtained with a federated identity credential cannot be used as one again."),
    900144: (400, "invalid_request", "The request body must contain the following parameter: '{parameter}'."),
    900382: (400, "invalid_request", "Confidential client is not supported in a cross cloud request."),
    900384: (401, "invalid_client", "JWT token failed signature validation."),
    900432: (400, "invalid_request", "Confidential client is not supported in a cross cloud request."),
    900439: (400, "invalid_request", "A US Government client is not supported on the public endpoint."),
    900440: (400, "invalid_request", "A public tenant is not supported on the US Government endpoint."),
    900561: (400, "invalid_request", "The endpoint only accepts {methods} requests. Received a {method} request."),
    900971: (400, "invalid_request", "No reply address provided."),
    901002: (400, "invalid_request", "The 'resource' request parameter is not supported."),
    1000031: (400, "unauthorized_client",
              "Application '{client_id}' cannot be accessed at this time. Contact your administrator."),
    1002012: (400, "invalid_scope",
              "The provided value for scope {scope} is not valid. Client credential flows must have a scope value "
              "with /.default suffixed to the resource identifier (application ID URI)."),
    5000224: (400, "invalid_request", "This resource is not available: the tenant '{tenant}' has been blocked."),
    5000225: (400, "invalid_request", "The tenant '{tenant}' has been blocked due to inactivity."),
    7000112: (400, "unauthorized_client", "Application '{client_id}'({app}) is disabled."),
    7000116: (400, "unauthorized_client", "The application '{client_id}' may not use this flow."),
    7000215: (401, "invalid_client",
              "Invalid client secret provided. Ensure the secret being sent in the request is the client secret "
              "value, not the client secret ID, for a secret added to app '{client_id}'."),
    7000216: (401, "invalid_client",
              "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."),
    7000218: (401, "invalid_client",
              "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."),
    7000222: (401, "invalid_client",
              "The provided client secret keys for app '{client_id}' are expired. Visit the Azure portal to create "
              "new keys for your app: https://aka.ms/NewClientSecret, or consider using certificate credentials for "
              "added security: https://aka.ms/certCreds."),
    7000226: (401, "invalid_client", "No federated identity credential policy found on application '{client_id}'."),
    7000229: (400, "unauthorized_client",
              "The client application {client_id} is missing service principal in the tenant {tenant}."),
    9001023: (400, "invalid_request",
              "The grant type is not supported over the /common or /consumers endpoints. Please use the "
              "/organizations or tenant-specific endpoint."),
    9002313: (400, "invalid_request", "Invalid request. Request is malformed or invalid."),
    9002332: (400, "invalid_request",
              "Application '{client_id}'({app}) is configured for use by Azure Active Directory users only. Please "
              "do not use the /consumers endpoint to serve this request."),
    9002341: (400, "invalid_grant", "The user is required to permit single sign-on."),
}

# What Entra adds under "suberror" where the number alone does not tell the client what to do.
SUBERRORS = {50055: "user_password_expired", 50057: "bad_token", 50072: "basic_action", 50074: "basic_action",
             50076: "basic_action", 50078: "basic_action", 50079: "basic_action", 50132: "bad_token",
             50133: "bad_token", 50144: "user_password_expired", 50155: "device_authentication_failed",
             50173: "bad_token", 53003: "message_only", 65001: "consent_required", 70008: "token_expired",
             70043: "token_expired", 90008: "consent_required", 90094: "consent_required", 90095: "consent_required",
             135011: "device_authentication_failed", 530032: "message_only", 530035: "message_only",
             700082: "token_expired", 700084: "token_expired"}
