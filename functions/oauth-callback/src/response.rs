//! The HTTP response to a request, and the headers that every one has.

use aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use aws_lambda_events::encodings::Body;
use aws_lambda_events::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::message::Message;
use crate::pages::frame::{self, Page};
use crate::request::Request;

/// What a route gives.
pub(crate) type RouteResult = Result<Response, Message>;

#[derive(Debug, Clone)]
pub(crate) struct Response {
    content: Content,
    /// Of an earlier request, whose page it is.
    reference: Option<String>,
    /// `Allow`.
    allow: Option<String>,
    /// `Set-Cookie` values.
    cookies: Vec<String>,
}

#[derive(Debug, Clone)]
enum Content {
    Redirect(String),
    Page(Page),
    Calendar(String),
}

impl Response {
    pub fn redirect(location: String) -> Self {
        Self::of(Content::Redirect(location))
    }

    pub fn page(page: Page) -> Self {
        Self::of(Content::Page(page))
    }

    pub fn calendar(file: String) -> Self {
        Self::of(Content::Calendar(file))
    }

    fn of(content: Content) -> Self {
        Self {
            content,
            reference: None,
            allow: None,
            cookies: Vec::new(),
        }
    }

    /// The page of an earlier request, with its reference.
    #[must_use]
    pub fn of_request(mut self, reference: String) -> Self {
        self.reference = Some(reference);
        self
    }

    /// With the methods that the address has.
    #[must_use]
    pub fn allowing(mut self, methods: String) -> Self {
        self.allow = Some(methods);
        self
    }

    #[must_use]
    pub fn with_cookie(mut self, cookie: String) -> Self {
        self.cookies.push(cookie);
        self
    }

    /// As API Gateway takes it.
    pub fn into_api_gateway(self, request: &Request) -> ApiGatewayV2httpResponse {
        let reference = self.reference.as_deref().unwrap_or(&request.reference);
        let (status, policy, headers, body) = match self.content {
            Content::Redirect(location) => {
                let location = HeaderValue::try_from(location).ok();
                let location = location.map(|location| (header::LOCATION, location));
                (303, frame::POLICY.as_str(), Vec::from_iter(location), None)
            }
            Content::Page(page) => {
                let html = HeaderValue::from_static("text/html; charset=utf-8");
                let headers = vec![(header::CONTENT_TYPE, html)];
                (
                    page.status,
                    page.policy(),
                    headers,
                    Some(page.html(reference)),
                )
            }
            Content::Calendar(file) => {
                let calendar = HeaderValue::from_static("text/calendar; charset=utf-8");
                let named = HeaderValue::from_static("attachment; filename=\"shopmail.ics\"");
                let headers = vec![
                    (header::CONTENT_TYPE, calendar),
                    (header::CONTENT_DISPOSITION, named),
                ];
                (200, frame::POLICY.as_str(), headers, Some(file))
            }
        };
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = status;
        response.headers = common_headers(policy);
        response.headers.extend(headers);
        let allow = self
            .allow
            .and_then(|allow| HeaderValue::try_from(allow).ok());
        let allow = allow.map(|allow| (header::ALLOW, allow));
        response.headers.extend(allow);
        response.cookies = self.cookies;
        let body = body.filter(|_| request.method != "HEAD");
        response.body = body.map(Body::Text);
        response
    }
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
