//! What a page looks like, and the headers that every answer has.

use std::sync::LazyLock;

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::{HeaderMap, HeaderName, HeaderValue, header};
use data_encoding::BASE64;
use maud::{DOCTYPE, PreEscaped, html};
use ring::digest::{SHA256, digest};

use crate::texts::{BRAND, REFERENCE, Text};

const STYLE: &str = include_str!("page.css");

/// Only this very style, no script, no frame, no form to elsewhere.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = BASE64.encode(digest(&SHA256, STYLE.as_bytes()).as_ref());
    format!(
        "default-src 'none'; style-src 'sha256-{hash}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

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
    /// To have a new link sent to the contact.
    NewLink {
        /// The ended link's ticket.
        ticket: String,
    },
}

/// A page as an answer.
#[must_use]
pub fn page(text: &Text, way_on: &WayOn, reference: &str) -> ApiGatewayV2httpResponse {
    let body = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                title { (text.title) " · " (BRAND) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main class=(if text.good { "good" } else { "bad" }) {
                    p.brand { (BRAND) }
                    h1 { (text.title) }
                    p { (text.happened) }
                    p { (text.next) }
                    @match way_on {
                        WayOn::None => {}
                        WayOn::SignIn { ticket } => {
                            // A link, not a form: form-action holds for redirects too, and this goes on
                            // to Microsoft. A ticket is a JWT, so it needs no encoding.
                            p { a.button href={ "/authorize?ticket=" (ticket) } { (text.button) } }
                        }
                        WayOn::NewLink { ticket } => {
                            form method="post" action="/ticket" {
                                input type="hidden" name="ticket" value=(ticket);
                                button { (text.button) }
                            }
                        }
                    }
                    p.reference { (REFERENCE) " " code { (reference) } }
                }
            }
        }
    };
    let mut headers = common_headers();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = text.status;
    response.headers = headers;
    response.body = Some(Body::Text(body.into_string()));
    response
}

/// On to another address, with a session.
#[must_use]
pub fn redirect(location: &str, cookie: String) -> ApiGatewayV2httpResponse {
    let mut headers = common_headers();
    if let Ok(location) = HeaderValue::try_from(location) {
        headers.insert(header::LOCATION, location);
    }
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = 303;
    response.headers = headers;
    response.cookies = vec![cookie];
    response
}

fn common_headers() -> HeaderMap {
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
    if let Ok(policy) = HeaderValue::try_from(POLICY.as_str()) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers
}
