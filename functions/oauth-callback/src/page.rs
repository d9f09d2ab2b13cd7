//! What a page looks like, and the headers that every answer has.

use std::sync::LazyLock;

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::{HeaderMap, HeaderName, HeaderValue, header};
use data_encoding::BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use ring::digest::{SHA256, digest};

use crate::texts::{BRAND, COPIED, COPY, LANGUAGE, REFERENCE, Text};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Only this very style, no script, no frame, no form to elsewhere.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let style = hash(STYLE);
    format!(
        "default-src 'none'; style-src '{style}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// The same with our one script, which may look at our own pages.
static POLICY_WITH_SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let script = hash(SCRIPT);
    format!(
        "{}; script-src '{script}'; connect-src 'self'",
        POLICY.as_str()
    )
});

fn hash(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    format!("sha256-{}", BASE64.encode(hash.as_ref()))
}

/// An answer that is no ending.
#[derive(Debug, Clone)]
pub enum Reply {
    /// On to another address.
    Redirect {
        /// Where.
        location: String,
        /// `Set-Cookie` values.
        cookies: Vec<String>,
    },
    /// A page.
    Page(Page),
    /// The calendar file.
    Calendar(String),
}

impl Reply {
    /// On to another address.
    pub fn to(location: String) -> Self {
        Self::Redirect {
            location,
            cookies: Vec::new(),
        }
    }

    /// With a cookie.
    #[must_use]
    pub fn with_cookie(self, cookie: String) -> Self {
        match self {
            Self::Redirect {
                location,
                mut cookies,
            } => {
                cookies.push(cookie);
                Self::Redirect { location, cookies }
            }
            Self::Page(page) => Self::Page(page.with_cookie(cookie)),
            Self::Calendar(file) => Self::Calendar(file),
        }
    }

    /// As an answer of API Gateway's. `reference` is on the page and in the log.
    #[must_use]
    pub fn into_response(self, reference: &str) -> ApiGatewayV2httpResponse {
        match self {
            Self::Redirect { location, cookies } => redirect(&location, cookies),
            Self::Page(page) => page.into_response(reference),
            Self::Calendar(file) => calendar(file),
        }
    }
}

/// A page.
#[derive(Debug, Clone)]
pub struct Page {
    /// The HTTP status.
    pub status: i64,
    /// Whether it is good news.
    pub good: bool,
    /// The heading.
    pub title: String,
    /// What stands below it.
    pub content: Markup,
    /// Whether our script makes it better; without JavaScript it works by reload.
    pub script: bool,
    /// `Set-Cookie` values.
    pub cookies: Vec<String>,
}

impl Page {
    /// With a cookie.
    #[must_use]
    pub fn with_cookie(mut self, cookie: String) -> Self {
        self.cookies.push(cookie);
        self
    }

    fn into_response(self, reference: &str) -> ApiGatewayV2httpResponse {
        let body = html! {
            (DOCTYPE)
            html lang=(LANGUAGE) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex";
                    title { (self.title) " · " (BRAND) }
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    main class=(if self.good { "good" } else { "bad" }) {
                        p.brand { (BRAND) }
                        h1 { (self.title) }
                        (self.content)
                        p.reference { (REFERENCE) " " code { (reference) } }
                    }
                    @if self.script { script { (PreEscaped(SCRIPT)) } }
                }
            }
        };
        let policy = if self.script {
            &POLICY_WITH_SCRIPT
        } else {
            &POLICY
        };
        let mut headers = common_headers(policy);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/html; charset=utf-8"),
        );
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = self.status;
        response.headers = headers;
        response.cookies = self.cookies;
        response.body = Some(Body::Text(body.into_string()));
        response
    }
}

/// A way on from a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayOn {
    /// There is nothing to press.
    None,
    /// To sign in again with the same link.
    SignIn {
        /// The link's ticket.
        ticket: String,
    },
    /// The same, and Microsoft is to ask for the account anew.
    SignInAnew {
        /// The link's ticket.
        ticket: String,
    },
    /// To have a new link sent to the contact.
    NewLink {
        /// The ended link's ticket.
        ticket: String,
    },
    /// Back to the hand-over.
    Back,
}

/// A page of one sentence on what happened, one on what to do, and a way on. `pass_on` is an address
/// for somebody else.
#[must_use]
pub fn page(text: &Text, way_on: &WayOn, pass_on: Option<&str>) -> Page {
    let content = html! {
        p { (text.happened) }
        @for way in text.next.lines() { p { (way) } }
        @if let Some(address) = pass_on { (copied("pass-on", text.pass_on, address)) }
        @match way_on {
            WayOn::None => {}
            // Relative, like all addresses on our pages: a gateway may serve them below a path of its own.
            // Links, not forms: form-action holds for redirects too, and these go on to Microsoft. A
            // ticket is a JWT, so it needs no encoding.
            WayOn::SignIn { ticket } => {
                p { a.button href={ "authorize?ticket=" (ticket) } { (text.button) } }
            }
            WayOn::SignInAnew { ticket } => {
                p { a.button href={ "authorize?ticket=" (ticket) "&anew=1" } { (text.button) } }
            }
            WayOn::NewLink { ticket } => {
                form method="post" action="ticket" {
                    input type="hidden" name="ticket" value=(ticket);
                    button { (text.button) }
                }
            }
            WayOn::Back => {
                p { a.button href="handover" { (crate::texts::BACK) } }
            }
        }
    };
    Page {
        status: text.status,
        good: text.good,
        title: text.title.clone(),
        content,
        script: pass_on.is_some(),
        cookies: Vec::new(),
    }
}

/// A value to be copied, with its label. The button appears where JavaScript makes it work.
pub fn copied(id: &str, label: &str, value: &str) -> Markup {
    html! {
        div.value {
            label for=(id) { (label) }
            div.row {
                input id=(id) value=(value) readonly autocomplete="off" spellcheck="false";
                button.small type="button" hidden data-copy=(id) data-done=(COPIED) aria-label={ (COPY) " " (label) } { (COPY) }
            }
        }
    }
}

fn redirect(location: &str, cookies: Vec<String>) -> ApiGatewayV2httpResponse {
    let mut headers = common_headers(&POLICY);
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(header::LOCATION, location);
    }
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = 303;
    response.headers = headers;
    response.cookies = cookies;
    response
}

fn calendar(file: String) -> ApiGatewayV2httpResponse {
    let mut headers = common_headers(&POLICY);
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/calendar; charset=utf-8"),
    );
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment; filename=\"shopmail.ics\""),
    );
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = 200;
    response.headers = headers;
    response.body = Some(Body::Text(file));
    response
}

fn common_headers(policy: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let fixed = [
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cross-origin-opener-policy", "same-origin"),
        ("strict-transport-security", "max-age=31536000"),
        ("x-robots-tag", "noindex"),
    ];
    for (name, value) in fixed {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    if let Ok(policy) = HeaderValue::try_from(policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers
}
