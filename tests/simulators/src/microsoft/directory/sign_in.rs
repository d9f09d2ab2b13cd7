//! The person's way through `/authorize`: sign-in, second factor, consent, and the redirect at its end.
//! What is decided here is drawn by [`crate::microsoft::entra`] as pages; tests may also walk it at once with
//! [`Directory::sign_in_as`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use url::Url;
use uuid::Uuid;

use super::account::{AccountKind, ConsentPolicy};
use super::application::Application;
use super::authorize_request::{AuthorizeRequest, Prompt, Purpose};
use super::denial::Denial;
use super::scope::Scope;
use super::tokens::{AuthorizationCode, Session};
use super::{Directory, Records};

/// What the person decides on the consent page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Accept.
    Accept,
    /// Cancel.
    Cancel,
}

/// Where the browser goes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A page of Microsoft's.
    Page(Page),
    /// Back to the app, with this `Location`.
    Redirect(String),
}

/// A page of Microsoft's. `flow` names the sign-in that its form goes on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// Asks for account and password.
    SignIn {
        /// The sign-in.
        flow: String,
        /// The address that is filled in already.
        address: String,
        /// Why the last try failed.
        note: Option<Denial>,
    },
    /// Asks for the second factor.
    SecondFactor {
        /// The sign-in.
        flow: String,
        /// Why the last try failed.
        note: Option<Denial>,
    },
    /// Asks for consent.
    Consent {
        /// The sign-in.
        flow: String,
        /// The app's name.
        app: String,
        /// Who signed in.
        account: String,
        /// What is asked for.
        scopes: Vec<Scope>,
    },
    /// "Need admin approval".
    NeedAdmin {
        /// The sign-in.
        flow: String,
        /// The app's name.
        app: String,
        /// The code that the page shows.
        denial: Denial,
    },
    /// An error. The app hears of it only if there is a way back and the person takes it.
    Refused {
        /// The sign-in, where the redirect URI is known to be the app's.
        flow: Option<String>,
        /// What the page shows.
        denial: Denial,
    },
}

/// A sign-in under way.
#[derive(Debug, Clone)]
pub(crate) struct SignIn {
    request: AuthorizeRequest,
    oid: Option<Uuid>,
    password_given: bool,
    /// When it was given: now, or in a session before.
    authenticated: Timestamp,
    second_factor: bool,
    /// What the way back tells the app.
    stopped_by: Option<Denial>,
}

impl Directory {
    /// `GET /{tenant}/oauth2/v2.0/authorize`, with the query in it. `session` is the browser's cookie.
    pub fn begin_sign_in(&self, tenant: &str, url: &Url, session: Option<&str>) -> Step {
        self.begin(tenant, url, session, Purpose::Code)
    }

    /// `GET /{tenant}/v2.0/adminconsent` (docs/beliefs.md, Entra).
    pub fn begin_admin_consent(&self, tenant: &str, url: &Url, session: Option<&str>) -> Step {
        self.begin(tenant, url, session, Purpose::AdminConsent)
    }

    fn begin(&self, tenant: &str, url: &Url, session: Option<&str>, purpose: Purpose) -> Step {
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let mut records = self.records();
        // Errors in the request are shown here and never redirected (facts, 2.5): the redirect URI
        // may not be the app's.
        let request = match records.read_authorize_request(tenant, &query, purpose) {
            Ok(request) => request,
            Err(denial) => return Step::Page(Page::Refused { flow: None, denial }),
        };
        if let Err(denial) = records.check_scopes(&request, &query) {
            return Step::Redirect(request.refusal(&denial, None));
        }
        let prompt = request.prompt;
        let hint = request.login_hint.clone();
        let flow = records.opaque("flow-");
        let mut sign_in = SignIn {
            request,
            oid: None,
            password_given: false,
            authenticated: self.clock.now(),
            second_factor: false,
            stopped_by: None,
        };
        // Somebody who is signed in already is not asked again, unless the hint names another person.
        let signed_in = session
            .and_then(|session| records.sessions.get(session).copied())
            .and_then(|session| Some((records.account(session.oid).cloned()?, session)))
            .filter(|(account, _)| {
                hint.as_ref()
                    .is_none_or(|hint| account.person.signs_in_as(hint))
            });
        let silent = signed_in.filter(|_| !matches!(prompt, Prompt::Login | Prompt::SelectAccount));
        match silent {
            Some((account, session)) => {
                sign_in.oid = Some(account.oid);
                sign_in.authenticated = session.authenticated;
                sign_in.password_given = true;
                sign_in.second_factor = account.person.second_factor.is_some();
                records.sign_ins.insert(flow.clone(), sign_in);
                self.go_on(&mut records, &flow)
            }
            None if prompt == Prompt::None => Step::Redirect(sign_in.request.refusal(
                &Denial::new(
                    50058,
                    "login_required",
                    "A silent sign-in request was sent but no user is signed in.",
                ),
                None,
            )),
            None => {
                records.sign_ins.insert(flow.clone(), sign_in);
                Step::Page(Page::SignIn {
                    flow,
                    address: hint.unwrap_or_default(),
                    note: None,
                })
            }
        }
    }

    /// The sign-in form. Gives a new session cookie with the step, once the password was right.
    pub fn give_password(
        &self,
        flow: &str,
        address: &str,
        password: &str,
    ) -> (Step, Option<String>) {
        let mut records = self.records();
        let Some(sign_in) = records.sign_ins.get(flow).cloned() else {
            return (unknown_flow(), None);
        };
        let again = |denial: Denial| {
            Step::Page(Page::SignIn {
                flow: flow.to_owned(),
                address: address.to_owned(),
                note: Some(denial),
            })
        };
        let account = records.accounts.signing_in_as(address).cloned();
        let Some(account) = account else {
            let denial = Denial::new(
                50034,
                "invalid_grant",
                format!(
                    "The user account {address} does not exist in the directory. To sign into this application, the account must be added to the directory."
                ),
            );
            return (again(denial), None);
        };
        if account.person.password != password {
            let denial = Denial::new(
                50126,
                "invalid_grant",
                "Error validating credentials due to invalid username or password.",
            );
            return (again(denial), None);
        }
        let cookie = records.opaque("session-");
        let session = Session {
            oid: account.oid,
            authenticated: self.clock.now(),
        };
        records.sessions.insert(cookie.clone(), session);
        records.sign_ins.insert(
            flow.to_owned(),
            SignIn {
                oid: Some(account.oid),
                password_given: true,
                authenticated: session.authenticated,
                ..sign_in
            },
        );
        (self.go_on(&mut records, flow), Some(cookie))
    }

    /// The form for the second factor.
    pub fn give_second_factor(&self, flow: &str, code: &str) -> Step {
        let mut records = self.records();
        let wanted = records
            .sign_ins
            .get(flow)
            .and_then(|sign_in| sign_in.oid)
            .and_then(|oid| records.account(oid))
            .and_then(|account| account.person.second_factor.clone());
        let Some(sign_in) = records.sign_ins.get_mut(flow) else {
            return unknown_flow();
        };
        if wanted.as_deref() != Some(code) {
            return Step::Page(Page::SecondFactor {
                flow: flow.to_owned(),
                note: Some(Denial::new(
                    500_121,
                    "interaction_required",
                    "Authentication failed during strong authentication request.",
                )),
            });
        }
        sign_in.second_factor = true;
        self.go_on(&mut records, flow)
    }

    /// The buttons of the consent page.
    pub fn decide(&self, flow: &str, decision: Decision) -> Step {
        let mut records = self.records();
        let Some(sign_in) = records.sign_ins.get(flow).cloned() else {
            return unknown_flow();
        };
        let Some(oid) = sign_in.oid.filter(|_| sign_in.stopped_by.is_none()) else {
            return unknown_flow();
        };
        if decision == Decision::Cancel {
            records.sign_ins.remove(flow);
            return Step::Redirect(sign_in.request.declined());
        }
        let app_id = sign_in.request.app_id;
        match sign_in.request.purpose {
            Purpose::Code => {
                records
                    .consents
                    .entry((oid, app_id))
                    .or_default()
                    .extend(sign_in.request.scopes.iter().cloned());
                self.finish(&mut records, flow)
            }
            Purpose::AdminConsent => {
                records.sign_ins.remove(flow);
                if let Some(app) = records.app_mut(app_id) {
                    app.registration
                        .admin_consent
                        .extend(sign_in.request.scopes.iter().cloned());
                }
                Step::Redirect(sign_in.request.admin_consented())
            }
        }
    }

    /// The way back from any page that has one. `access_denied` with `error_subcode=cancel` is also
    /// what comes from "Need admin approval" (docs/beliefs.md, Entra).
    pub fn go_back(&self, flow: &str) -> Step {
        let Some(sign_in) = self.records().sign_ins.remove(flow) else {
            return unknown_flow();
        };
        Step::Redirect(match sign_in.stopped_by {
            Some(denial) => sign_in.request.refusal(
                &Denial {
                    error: "access_denied",
                    ..denial
                },
                Some("cancel"),
            ),
            None => sign_in.request.declined(),
        })
    }

    /// Walks the pages at once, as the person at `address` with the right password and second factor:
    /// a redirect, or the page that the person is left with.
    pub fn sign_in_as(&self, authorize_url: &str, address: &str, decision: Decision) -> Step {
        let Ok(url) = Url::parse(authorize_url) else {
            return unknown_flow();
        };
        let tenant = url
            .path_segments()
            .and_then(|mut segments| segments.next())
            .unwrap_or_default()
            .to_owned();
        let person = self.account_at(address).map(|account| account.person);
        let password = person
            .as_ref()
            .map(|person| person.password.clone())
            .unwrap_or_default();
        let code = person.and_then(|person| person.second_factor);
        let mut step = if url.path().ends_with("/adminconsent") {
            self.begin_admin_consent(&tenant, &url, None)
        } else {
            self.begin_sign_in(&tenant, &url, None)
        };
        if let Step::Page(Page::SignIn { flow, .. }) = &step {
            step = self.give_password(flow, address, &password).0;
        }
        if let (Step::Page(Page::SecondFactor { flow, .. }), Some(code)) = (&step, code) {
            step = self.give_second_factor(flow, &code);
        }
        if let Step::Page(Page::Consent { flow, .. }) = &step {
            step = self.decide(flow, decision);
        }
        step
    }

    /// What comes after each form: the next thing that is missing, or the end.
    fn go_on(&self, records: &mut Records, flow: &str) -> Step {
        let Some(sign_in) = records.sign_ins.get(flow).cloned() else {
            return unknown_flow();
        };
        let request = &sign_in.request;
        let known = sign_in.oid.filter(|_| sign_in.password_given);
        let (Some(account), Some(app)) = (
            known.and_then(|oid| records.account(oid)).cloned(),
            records.app(request.app_id).cloned(),
        ) else {
            return unknown_flow();
        };
        let stop = |records: &mut Records, denial: Denial| {
            if records.refusals_redirect || request.prompt == Prompt::None {
                return Step::Redirect(request.refusal(&denial, None));
            }
            if let Some(sign_in) = records.sign_ins.get_mut(flow) {
                sign_in.stopped_by = Some(denial.clone());
            }
            Step::Page(Page::Refused {
                flow: Some(flow.to_owned()),
                denial,
            })
        };
        if let Err(denial) = may_use(request, &account, &app) {
            return stop(records, denial);
        }
        if account.person.second_factor.is_some() && !sign_in.second_factor {
            if request.prompt == Prompt::None {
                let denial = Denial::new(
                    50076,
                    "interaction_required",
                    "You must use multi-factor authentication to access the resource.",
                );
                return stop(records, denial);
            }
            return Step::Page(Page::SecondFactor {
                flow: flow.to_owned(),
                note: None,
            });
        }
        let granted = records.granted(account.oid, &app);
        let missing: Vec<Scope> = request
            .scopes
            .iter()
            .filter(|scope| {
                request.prompt == Prompt::Consent
                    || request.purpose == Purpose::AdminConsent
                    || !granted.contains(scope)
            })
            // .default asks for what was granted already, and is enough if there is anything.
            .filter(|scope| {
                !scope.is_default()
                    || !granted
                        .iter()
                        .any(|granted| granted.resource == scope.resource)
            })
            .cloned()
            .collect();
        if missing.is_empty() {
            return self.finish(records, flow);
        }
        let policy = records
            .tenants
            .by_id(account.tenant_id)
            .map(|tenant| tenant.consent_policy)
            .unwrap_or_default();
        let may_consent = match policy {
            _ if account.person.is_admin => true,
            _ if request.purpose == Purpose::AdminConsent => false,
            ConsentPolicy::Users => true,
            ConsentPolicy::MicrosoftManaged => !missing.iter().any(Scope::is_kept_for_admins),
            ConsentPolicy::Admins => false,
        };
        if request.prompt == Prompt::None {
            let denial = Denial {
                error: "consent_required",
                ..Denial::consent_missing(app.ids.app_id, &app.registration.display_name)
            };
            return stop(records, denial);
        }
        if !may_consent {
            let denial = Denial::new(
                90094,
                "access_denied",
                "An administrator of the organization must approve this application: it needs permissions that only an administrator can grant.",
            );
            if let Some(sign_in) = records.sign_ins.get_mut(flow) {
                sign_in.stopped_by = Some(denial.clone());
            }
            return Step::Page(Page::NeedAdmin {
                flow: flow.to_owned(),
                app: app.registration.display_name,
                denial,
            });
        }
        Step::Page(Page::Consent {
            flow: flow.to_owned(),
            app: app.registration.display_name,
            account: account.person.upn,
            scopes: missing,
        })
    }

    fn finish(&self, records: &mut Records, flow: &str) -> Step {
        let Some(sign_in) = records.sign_ins.remove(flow) else {
            return unknown_flow();
        };
        let Some(oid) = sign_in.oid else {
            return unknown_flow();
        };
        let request = sign_in.request;
        let code = records.opaque("1.AQ");
        let redirect = request.redirect(&[("code", &code)]);
        records.codes.insert(
            code,
            AuthorizationCode {
                oid,
                app_id: request.app_id,
                redirect_uri: request.redirect_uri,
                scopes: request.scopes,
                challenge: request.challenge,
                nonce: request.nonce,
                issued: self.clock.now(),
                redeemed: false,
                authenticated: sign_in.authenticated,
                second_factor: sign_in.second_factor,
            },
        );
        Step::Redirect(redirect)
    }
}

/// Whether this account may use the app at all, before consent is looked at.
fn may_use(
    request: &AuthorizeRequest,
    account: &super::Account,
    app: &Application,
) -> Result<(), Denial> {
    let tenant = request.tenant;
    let personal = account.person.kind == AccountKind::Personal;
    if personal && !app.registration.sign_in_audience.includes_personal() {
        return Err(Denial::new(
            500_208,
            "invalid_request",
            "The domain is not a valid login domain for the account type.",
        ));
    }
    if tenant.is_some_and(|tenant| tenant != account.tenant_id) {
        return Err(Denial::new(
            50020,
            "invalid_request",
            format!(
                "User account '{}' from identity provider 'https://sts.windows.net/{}/' does not exist in tenant '{}' and cannot access the application '{}'({}) in that tenant. The account needs to be added as an external user in the tenant first. Sign out and sign in again with a different Azure Active Directory user account.",
                account.person.upn,
                account.tenant_id,
                tenant.unwrap_or_default(),
                app.ids.app_id,
                app.registration.display_name
            ),
        ));
    }
    if let Some(obstacle) = account.person.obstacle {
        return Err(obstacle.denial("access_denied"));
    }
    let assigned = app.registration.assigned.as_ref();
    if assigned.is_some_and(|assigned| !assigned.contains(&account.oid)) {
        return Err(Denial::new(
            50105,
            "access_denied",
            format!(
                "Your administrator has configured the application {} ('{}') to block users unless they are specifically granted ('assigned') access to the application. The signed in user '{}' is blocked because they are not a direct member of a group with access, nor had access directly assigned by an administrator. Please contact your administrator to assign access to this application.",
                app.registration.display_name, app.ids.app_id, account.person.upn
            ),
        ));
    }
    Ok(())
}

fn unknown_flow() -> Step {
    Step::Page(Page::Refused {
        flow: None,
        denial: Denial::new(
            165_000,
            "invalid_request",
            "Invalid Request: The request tokens do not match the user context. Do not copy the user context values (cookies; form fields; headers) between different requests or user sessions; always maintain the ALL of the supplied values across a complete single user flow.",
        ),
    })
}
