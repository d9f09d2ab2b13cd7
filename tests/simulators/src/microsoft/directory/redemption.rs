//! What the token endpoint does once the request is read: proves the client, redeems the grant, issues
//! tokens. ShopCtrl's simulator redeems here too, without the wire.

use std::collections::BTreeSet;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::account::{Account, AccountKind, Obstacle};
use super::application::Application;
pub use super::client::Proof;
use super::denial::Denial;
use super::scope::{GRAPH, Scope};
use super::tokens::{AccessToken, RefreshToken, Tokens};
use super::{ACCESS_TOKEN_LIFETIME, CODE_LIFETIME, Directory, REFRESH_TOKEN_LIFETIME, Records};

/// Who asks for a token.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// The tenant in the URL: id or domain.
    pub tenant: &'a str,
    /// The client id as sent.
    pub client_id: &'a str,
    /// What it shows for itself.
    pub proof: Proof<'a>,
}

/// What the authorization code grant sends.
#[derive(Debug, Clone, Copy, Default)]
pub struct CodeRedemption<'a> {
    /// `code`
    pub code: &'a str,
    /// `redirect_uri`
    pub redirect_uri: &'a str,
    /// `code_verifier`
    pub code_verifier: Option<&'a str>,
    /// `scope`
    pub scope: Option<&'a str>,
}

impl Directory {
    /// The client credentials grant (docs/beliefs.md, Entra).
    ///
    /// # Errors
    /// What Entra answers instead of a token.
    pub fn redeem_client_credentials(
        &self,
        client: Client<'_>,
        scope: Option<&str>,
    ) -> Result<Tokens, Denial> {
        if ["common", "consumers"].contains(&client.tenant) {
            return Err(Denial::new(
                9_001_023,
                "invalid_request",
                "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint.",
            ));
        }
        let now = self.clock.now();
        let mut records = self.records();
        let tenant = records.tenant_id(client.tenant)?;
        let text = scope.ok_or_else(|| Denial::missing_parameter("scope"))?;
        let (app_id, key_id) =
            self.authenticate(&mut records, tenant, client.client_id, client.proof)?;
        let resource = match Scope::parse_list(text).as_slice() {
            [scope] if scope.is_default() => scope.resource.clone(),
            _ => return Err(Denial::bad_scope(text)),
        };
        if !Scope::parse(text).is_known_resource() {
            return Err(Denial::no_such_resource(&resource, tenant));
        }
        records.note_use(app_id, key_id, now);
        let app = records.app(app_id).ok_or_else(Denial::grant_malformed)?;
        // A token without roles is issued all the same: it proves the secret, no permission.
        let roles = if resource == GRAPH {
            app.registration.app_roles.clone()
        } else {
            app.registration.exchange_roles.clone()
        };
        let token = AccessToken {
            audience: resource,
            expires: now + ACCESS_TOKEN_LIFETIME,
            app_id,
            service_principal_id: app.ids.service_principal_id,
            oid: None,
            scopes: BTreeSet::new(),
            roles,
        };
        Ok(Tokens {
            access_token: records.issue_access_token(token),
            expires_in: ACCESS_TOKEN_LIFETIME.as_secs(),
            scope: None,
            refresh_token: None,
            id_token: None,
        })
    }

    /// The authorization code grant (docs/beliefs.md, Entra).
    ///
    /// # Errors
    /// What Entra answers instead of tokens.
    pub fn redeem_code(
        &self,
        client: Client<'_>,
        redemption: CodeRedemption<'_>,
    ) -> Result<Tokens, Denial> {
        let now = self.clock.now();
        let mut records = self.records();
        let tenant = records.tenant_of(client)?;
        records.note_secret(redemption.code);
        records.note_secret(redemption.code_verifier.unwrap_or_default());
        let (app_id, key_id) =
            self.authenticate(&mut records, tenant, client.client_id, client.proof)?;
        let code = records
            .codes
            .get_mut(redemption.code)
            .filter(|code| code.app_id == app_id)
            .ok_or_else(Denial::grant_malformed)?;
        if std::mem::replace(&mut code.redeemed, true) {
            return Err(Denial::new(
                54005,
                "invalid_grant",
                "OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.",
            ));
        }
        let code = code.clone();
        if now >= code.issued + CODE_LIFETIME {
            return Err(Denial::new(
                70008,
                "invalid_grant",
                "The provided authorization code or refresh token has expired due to inactivity. Send a new interactive authorization request for this user and resource.",
            ));
        }
        if code.redirect_uri != redemption.redirect_uri {
            return Err(Denial::new(
                500_112,
                "invalid_grant",
                format!(
                    "The reply address '{}' does not match the reply address '{}' provided when requesting Authorization code.",
                    redemption.redirect_uri, code.redirect_uri
                ),
            ));
        }
        let verified = match (&code.challenge, redemption.code_verifier) {
            (Some(challenge), Some(verifier)) => challenge.is_met_by(verifier),
            (None, None) => true,
            _ => false,
        };
        if !verified {
            return Err(Denial::new(
                501_481,
                "invalid_grant",
                "The Code_Verifier does not match the code_challenge supplied in the authorization request.",
            ));
        }
        let scopes = match redemption.scope {
            Some(text) => {
                let scopes = Scope::parse_list(text);
                if resources(&scopes).len() > 1 {
                    return Err(Denial::new(
                        28002,
                        "invalid_scope",
                        format!(
                            "Provided value for the input parameter scope '{text}' is not valid when requesting an access token. Please specify a valid scope."
                        ),
                    ));
                }
                scopes
            }
            None => code.scopes.clone(),
        };
        records.note_use_by_person(app_id, key_id, now);
        let grant = RefreshToken {
            oid: code.oid,
            app_id,
            scopes: code.scopes,
            issued: now,
            revoked: None,
            second_factor: code.second_factor,
        };
        let sign_in = SignInClaims {
            nonce: code.nonce,
            authenticated: Some(code.authenticated),
        };
        self.issue_for_person(&mut records, &grant, scopes, &sign_in)
    }

    /// The refresh token grant (docs/beliefs.md, Entra). The old token stays good.
    ///
    /// # Errors
    /// What Entra answers instead of tokens.
    pub fn redeem_refresh_token(
        &self,
        client: Client<'_>,
        refresh_token: &str,
        scope: Option<&str>,
    ) -> Result<Tokens, Denial> {
        let now = self.clock.now();
        let mut records = self.records();
        let tenant = records.tenant_of(client)?;
        records.note_secret(refresh_token);
        let (app_id, key_id) =
            self.authenticate(&mut records, tenant, client.client_id, client.proof)?;
        let token = records
            .refresh_tokens
            .get(refresh_token)
            .filter(|token| token.app_id == app_id)
            .cloned()
            .ok_or_else(Denial::grant_malformed)?;
        records.check_refresh_token(&token, now)?;
        let scopes = scope.map_or_else(|| token.scopes.clone(), Scope::parse_list);
        records.note_use_by_person(app_id, key_id, now);
        let grant = RefreshToken {
            issued: now,
            ..token
        };
        self.issue_for_person(&mut records, &grant, scopes, &SignInClaims::default())
    }

    /// Whether a refresh token would be taken now, with a good secret.
    #[must_use]
    pub fn refresh_token_works(&self, refresh_token: &str) -> bool {
        let now = self.clock.now();
        let records = self.records();
        records
            .refresh_tokens
            .get(refresh_token)
            .is_some_and(|token| records.check_refresh_token(token, now).is_ok())
    }

    fn issue_for_person(
        &self,
        records: &mut Records,
        grant: &RefreshToken,
        mut scopes: Vec<Scope>,
        sign_in: &SignInClaims,
    ) -> Result<Tokens, Denial> {
        let app = records
            .app(grant.app_id)
            .cloned()
            .ok_or_else(Denial::grant_malformed)?;
        let account = records
            .account(grant.oid)
            .cloned()
            .ok_or_else(Denial::grant_malformed)?;
        if let Some(unknown) = scopes.iter().find(|scope| !scope.is_known_resource()) {
            return Err(Denial::no_such_resource(
                &unknown.resource,
                account.tenant_id,
            ));
        }
        let granted = records.granted(grant.oid, &app);
        let consent_missing =
            || Denial::consent_missing(app.ids.app_id, &app.registration.display_name);
        // Scopes of several resources: a token for the first one only (facts, 2.6).
        let resource = resources(&scopes)
            .first()
            .cloned()
            .unwrap_or_else(|| GRAPH.to_owned());
        scopes.retain(|scope| scope.is_openid() || scope.resource == resource);
        if scopes.iter().any(Scope::is_default) {
            scopes.extend(
                granted
                    .iter()
                    .filter(|scope| scope.resource == resource)
                    .cloned(),
            );
            scopes.retain(|scope| !scope.is_default());
        }
        let mut known = BTreeSet::new();
        scopes.retain(|scope| known.insert(scope.clone()));
        if scopes.is_empty() || !scopes.iter().all(|scope| granted.contains(scope)) {
            return Err(consent_missing());
        }
        let has = |name: &str| {
            scopes
                .iter()
                .any(|scope| scope.is_openid() && scope.name == name)
        };
        // offline_access of the sign-in is enough: each refresh gives a new token.
        let offline = has("offline_access")
            || grant
                .scopes
                .iter()
                .any(|scope| scope.name == "offline_access");
        let now = self.clock.now();
        let id_token = if has("openid") {
            let claims = id_claims(&records.authority, &account, &app, sign_in, now);
            self.signing_key.sign(&claims)
        } else {
            None
        };
        if let Some(token) = &id_token {
            records.note_secret(token);
        }
        let access_token = records.issue_access_token(AccessToken {
            audience: resource,
            expires: now + ACCESS_TOKEN_LIFETIME,
            app_id: app.ids.app_id,
            service_principal_id: app.ids.service_principal_id,
            oid: Some(grant.oid),
            scopes: scopes
                .iter()
                .filter(|scope| !scope.is_openid())
                .map(|scope| scope.name.clone())
                .collect(),
            roles: BTreeSet::new(),
        });
        let refresh_token = offline.then(|| {
            let text = records.opaque("1.AX");
            records.refresh_tokens.insert(text.clone(), grant.clone());
            text
        });
        Ok(Tokens {
            access_token,
            expires_in: ACCESS_TOKEN_LIFETIME.as_secs(),
            scope: Some(records.scope_echo.write(&scopes)),
            refresh_token,
            id_token,
        })
    }
}

impl Records {
    fn tenant_id(&self, name: &str) -> Result<Uuid, Denial> {
        self.tenant(name)
            .map(|tenant| tenant.id)
            .ok_or_else(|| Denial::no_such_tenant(name))
    }

    /// The grants that stand for a person may also come by `/common`, for the person's own tenant.
    fn tenant_of(&self, client: Client<'_>) -> Result<Uuid, Denial> {
        let app = Uuid::try_parse(client.client_id)
            .ok()
            .and_then(|id| self.app(id));
        match app {
            Some(app) if ["common", "organizations"].contains(&client.tenant) => Ok(app.tenant_id),
            _ => self.tenant_id(client.tenant),
        }
    }

    /// A JWT, as Graph's are; that what reads it cannot check its signature is so in reality too
    /// (entra-docs, access-tokens.md).
    fn issue_access_token(&mut self, token: AccessToken) -> String {
        let part = |claims: Value| BASE64URL_NOPAD.encode(claims.to_string().as_bytes());
        let scp: Vec<&str> = token.scopes.iter().map(String::as_str).collect();
        let claims = json!({
            "aud": token.audience, "appid": token.app_id, "exp": token.expires.as_second(),
            "wids": ["0997a1d0-0d1d-4acb-b408-d5ca73121e90"],
            "oid": token.oid, "scp": scp.join(" "), "roles": token.roles,
        });
        let header = part(json!({"typ": "JWT", "alg": "RS256"}));
        let signature = self.opaque("");
        let text = format!("{header}.{}.{signature}", part(claims));
        self.note_secret(&text);
        self.access_tokens.insert(text.clone(), token);
        text
    }

    fn note_use(&mut self, app_id: Uuid, key_id: Option<Uuid>, now: Timestamp) {
        if let Some(app) = self.app_mut(app_id) {
            for credential in &mut app.credentials {
                if Some(credential.key_id) == key_id {
                    credential.last_used = Some(now);
                }
            }
        }
    }

    fn note_use_by_person(&mut self, app_id: Uuid, key_id: Option<Uuid>, now: Timestamp) {
        if self.graph_habits.report_shows_delegated_use {
            self.note_use(app_id, key_id, now);
        }
    }

    fn check_refresh_token(&self, token: &RefreshToken, now: Timestamp) -> Result<(), Denial> {
        if let Some(revoked) = token.revoked {
            return Err(Denial::new(
                50173,
                "invalid_grant",
                format!(
                    "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password. The grant was issued on '{}' and the TokensValidFrom date (before which tokens are not valid) for this user is '{revoked}'.",
                    token.issued
                ),
            )
            .with_suberror("bad_token"));
        }
        if now >= token.issued + REFRESH_TOKEN_LIFETIME {
            return Err(Denial::new(
                700_082,
                "invalid_grant",
                format!(
                    "The refresh token has expired due to inactivity. The token was issued on {} and was inactive for 90.00:00:00.",
                    token.issued
                ),
            )
            .with_suberror("bad_token"));
        }
        let account = self
            .account(token.oid)
            .ok_or_else(Denial::grant_malformed)?;
        match account.person.obstacle {
            Some(Obstacle::PasswordExpired) | None => {}
            Some(obstacle) => return Err(obstacle.denial("invalid_grant")),
        }
        if account.person.second_factor.is_some() && !token.second_factor {
            let mut denial = Denial::new(
                50076,
                "interaction_required",
                "Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.",
            )
            .with_suberror("basic_action");
            denial.claims = Some(r#"{"access_token":{"capolids":{"essential":true}}}"#.to_owned());
            return Err(denial);
        }
        Ok(())
    }
}

impl Obstacle {
    /// The refusal that stands for it.
    pub(crate) fn denial(self, error: &'static str) -> Denial {
        let (code, message) = match self {
            Self::ConditionalAccess => (
                53003,
                "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.",
            ),
            Self::Device => (
                53000,
                "Device is not in required device state: compliant. Conditional Access policy requires a compliant device, and the device is not compliant. The user must enroll their device with an approved MDM provider like Intune.",
            ),
            Self::Disabled => (50057, "The user account is disabled."),
            Self::Locked => (
                50053,
                "The account is locked, you've tried to sign in too many times with an incorrect user ID or password.",
            ),
            Self::PasswordExpired => (50055, "The password is expired."),
        };
        Denial::new(code, error, message)
    }
}

/// The resources that scopes name, in order, each once.
pub(crate) fn resources(scopes: &[Scope]) -> Vec<String> {
    let mut named = Vec::new();
    for scope in scopes.iter().filter(|scope| !scope.is_openid()) {
        if !named.contains(&scope.resource) {
            named.push(scope.resource.clone());
        }
    }
    named
}

/// What an id token says of the sign-in that it comes from.
#[derive(Debug, Default)]
struct SignInClaims {
    nonce: Option<String>,
    authenticated: Option<Timestamp>,
}

fn id_claims(
    authority: &str,
    account: &Account,
    app: &Application,
    sign_in: &SignInClaims,
    now: Timestamp,
) -> Value {
    let app_id = app.ids.app_id;
    let issued = now.as_second();
    let subject = ring::digest::digest(
        &ring::digest::SHA256,
        format!("{app_id}{}", account.oid).as_bytes(),
    );
    let mut claims = json!({
        "aud": app_id,
        "iss": format!("{authority}/{}/v2.0", account.tenant_id),
        "iat": issued,
        "nbf": issued,
        "exp": issued + 3600,
        // Pairwise: another one for each app.
        "sub": BASE64URL_NOPAD.encode(subject.as_ref()),
        "oid": account.oid,
        "tid": account.tenant_id,
        "name": account.person.display_name,
        "preferred_username": account.person.upn,
        "ver": "2.0",
    });
    if let Some(fields) = claims.as_object_mut() {
        if let Some(nonce) = &sign_in.nonce {
            fields.insert("nonce".to_owned(), json!(nonce));
        }
        if let Some(at) = sign_in
            .authenticated
            .filter(|_| app.registration.sends_auth_time)
        {
            fields.insert("auth_time".to_owned(), json!(at.as_second()));
        }
        if let AccountKind::Guest { idp } = &account.person.kind {
            fields.insert("idp".to_owned(), json!(idp));
        }
    }
    claims
}
