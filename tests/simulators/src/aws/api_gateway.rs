//! The API Gateway HTTP API of `template.yaml`, before one function: its routes and limits, and payload format 2.0.
//!
//! "Create AWS Lambda proxy integrations for HTTP APIs" documents what is done here. Fields that format
//! 2.0 does not have, such as `multiValueHeaders`, are ignored in answers, as the real one does.

mod routes;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State as Shared;
use bytes::Bytes;
use data_encoding::BASE64;
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::aws::account::ACCOUNT_ID;
use crate::aws::lambda::Functions;
use crate::clock::Clock;
use crate::gate::{Gate, Service};
use routes::{Routed, Routes};

const API_ID: &str = "simulated1";
const SOURCE_IP: &str = "127.0.0.1";

/// The HTTP API before one function.
#[derive(Debug)]
pub struct ApiGateway {
    functions: Arc<dyn Functions>,
    function: String,
    clock: Arc<Clock>,
    routes: Routes,
    throttles: AtomicBool,
}

impl ApiGateway {
    /// The API, whose integration is `function`.
    ///
    /// # Errors
    /// When `template.yaml` has none.
    pub fn new(
        functions: Arc<dyn Functions>,
        function: &str,
        clock: Arc<Clock>,
    ) -> Result<Arc<Self>, String> {
        Ok(Arc::new(Self {
            functions,
            function: function.to_owned(),
            clock,
            routes: Routes::of_the_template()?,
            throttles: AtomicBool::new(true),
        }))
    }

    /// Lets every request pass: for tests that do in seconds what takes an attacker minutes.
    pub fn lift_limits(&self) {
        self.throttles.store(false, Ordering::SeqCst);
    }

    /// The API, `api-gateway` in the journal. The operation is the method and the path.
    #[must_use]
    pub fn service(self: &Arc<Self>, gate: Arc<Gate>) -> Service {
        Service {
            name: "api-gateway",
            operation: |request| format!("{} {}", request.method(), request.uri().path()),
            router: Router::new().fallback(handle).with_state(Arc::clone(self)),
            gate,
            clock: Arc::clone(&self.clock),
        }
    }
}

async fn handle(
    Shared(gateway): Shared<Arc<ApiGateway>>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = match axum::body::to_bytes(body, 10 * 1024 * 1024).await {
        Ok(body) => body,
        // "Payload size: 10 MB" (HTTP API quotas).
        Err(_) => return message(StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
    };
    let request = Request::from_parts(parts, body);
    let routes = &gateway.routes;
    let key = match routes.route(request.method(), request.uri().path(), gateway.clock.now()) {
        Routed::To(key) => key,
        Routed::Throttled if !gateway.throttles.load(Ordering::SeqCst) => "$default".to_owned(),
        Routed::Throttled => return message(StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
        Routed::NotFound => return message(StatusCode::NOT_FOUND, "Not Found"),
    };
    let event = event(&request, &key, &gateway.clock);
    let functions = Arc::clone(&gateway.functions);
    match functions.call(gateway.function.clone(), event).await {
        Ok(result) if result.function_error.is_none() => respond(result.payload),
        _ => message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
    }
}

/// The request as the function gets it.
fn event(request: &Request<Bytes>, route_key: &str, clock: &Clock) -> Value {
    let now = clock.now();
    let uri = request.uri();
    let headers = request.headers();
    let query = uri.query().unwrap_or_default();
    let host = text(headers.get(HOST)).unwrap_or("localhost");
    let domain = host.split(':').next().unwrap_or(host);
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": uri.path(),
        "rawQueryString": query,
        "headers": joined(headers),
        "requestContext": {
            "accountId": ACCOUNT_ID,
            "apiId": API_ID,
            "domainName": domain,
            "domainPrefix": domain.split('.').next(),
            "http": {
                "method": request.method().as_str(),
                "path": uri.path(),
                "protocol": "HTTP/1.1",
                "sourceIp": SOURCE_IP,
                "userAgent": text(headers.get(USER_AGENT)).unwrap_or_default(),
            },
            "requestId": Uuid::new_v4().to_string(),
            "routeKey": route_key,
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    let Some(fields) = event.as_object_mut() else {
        return event;
    };
    let cookies = cookies(headers);
    if !cookies.is_empty() {
        fields.insert("cookies".to_owned(), json!(cookies));
    }
    if !query.is_empty() {
        fields.insert("queryStringParameters".to_owned(), json!(parameters(query)));
    }
    if !request.body().is_empty() {
        let plain = std::str::from_utf8(request.body())
            .ok()
            .filter(|_| is_text(text(headers.get(CONTENT_TYPE)).unwrap_or_default()));
        let (body, encoded) = match plain {
            Some(plain) => (plain.to_owned(), false),
            None => (BASE64.encode(request.body()), true),
        };
        fields.insert("body".to_owned(), body.into());
        fields.insert("isBase64Encoded".to_owned(), encoded.into());
    }
    event
}

/// "All header names are lowercase." "Duplicate headers are combined with commas."
/// Cookies have a field of their own.
fn joined(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let names = headers.keys().filter(|name| *name != COOKIE);
    let mut joined: BTreeMap<&str, String> = names
        .map(|name| {
            let values: Vec<&str> = headers
                .get_all(name)
                .iter()
                .filter_map(|value| text(Some(value)))
                .collect();
            (name.as_str(), values.join(","))
        })
        .collect();
    joined.insert("x-forwarded-for", SOURCE_IP.to_owned());
    joined.insert("x-forwarded-port", "443".to_owned());
    joined.insert("x-forwarded-proto", "https".to_owned());
    joined
}

fn cookies(headers: &HeaderMap) -> Vec<&str> {
    let values = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| text(Some(value)));
    values
        .flat_map(|value| value.split(';'))
        .map(str::trim)
        .filter(|cookie| !cookie.is_empty())
        .collect()
}

/// "Duplicate query strings are combined with commas."
fn parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    parameters
}

/// Which bodies go over as they are. Everything else comes in Base64, a posted form
/// (`application/x-www-form-urlencoded`) too: seen at the real one (ministack#766).
fn is_text(content_type: &str) -> bool {
    let essence = content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    essence.starts_with("text/")
        || [
            "application/json",
            "application/javascript",
            "application/xml",
        ]
        .contains(&essence.as_str())
}

/// The function's answer as the client gets it.
fn respond(answer: Value) -> Response<Body> {
    let Some(status) = answer.get("statusCode") else {
        return inferred(&answer);
    };
    let status = status
        .as_u64()
        .and_then(|status| u16::try_from(status).ok())
        .and_then(|status| StatusCode::from_u16(status).ok());
    let body = answer
        .get("body")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let encoded = answer
        .get("isBase64Encoded")
        .and_then(Value::as_bool)
        .unwrap_or_default();
    let body = match encoded {
        true => BASE64.decode(body.as_bytes()).ok(),
        false => Some(body.as_bytes().to_vec()),
    };
    let (Some(status), Some(body)) = (status, body) else {
        return message(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error");
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    for (name, value) in answer
        .get("headers")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let value = match value {
            Value::String(value) => value.clone(),
            other => other.to_string(),
        };
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            headers.insert(name, value);
        }
    }
    let cookies = answer.get("cookies").and_then(Value::as_array);
    for cookie in cookies.into_iter().flatten().filter_map(Value::as_str) {
        if let Ok(cookie) = HeaderValue::try_from(cookie) {
            headers.append(SET_COOKIE, cookie);
        }
    }
    response
}

/// "If your Lambda function returns valid JSON and doesn't return a statusCode, API Gateway assumes:
/// isBase64Encoded is false, statusCode is 200, content-type is application/json, body is the function's
/// response."
fn inferred(answer: &Value) -> Response<Body> {
    let body = match answer {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut response = Response::new(Body::from(body));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

fn message(status: StatusCode, message: &str) -> Response<Body> {
    let mut response = inferred(&json!({"message": message}));
    *response.status_mut() = status;
    response
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;
    use crate::aws::lambda::{Function, LambdaHost};

    fn clock() -> Arc<Clock> {
        Arc::new(Clock::starting_at("2027-01-01T06:00:00Z".parse().unwrap()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_becomes_an_event_of_format_2() {
        let request = Request::post("/callback?code=a%20b&x=1&x=2")
            .header("Host", "abc.example.com:8443")
            .header("User-Agent", "Browser")
            .header("Cookie", "one=1; two=2")
            .header("X-Many", "a")
            .header("X-Many", "b")
            .header("Content-Type", "application/x-www-form-urlencoded")
            .body(Bytes::from("a=b"))
            .unwrap();
        let event = event(&request, "$default", &clock());
        assert_eq!(event["version"], "2.0");
        assert_eq!(event["rawPath"], "/callback");
        assert_eq!(event["rawQueryString"], "code=a%20b&x=1&x=2");
        assert_eq!(
            event["queryStringParameters"],
            json!({"code": "a b", "x": "1,2"})
        );
        assert_eq!(event["cookies"], json!(["one=1", "two=2"]));
        assert_eq!(event["headers"]["x-many"], "a,b");
        assert_eq!(event["headers"].get("cookie"), None);
        let context = &event["requestContext"];
        assert_eq!(context["domainName"], "abc.example.com");
        assert_eq!(context["domainPrefix"], "abc");
        assert_eq!(context["http"]["method"], "POST");
        assert_eq!(context["time"], "01/Jan/2027:06:00:00 +0000");
        assert_eq!(context["timeEpoch"], 1_798_783_200_000_i64);
        assert_eq!(
            (&event["body"], &event["isBase64Encoded"]),
            (&json!("YT1i"), &json!(true))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_there_has_no_field() {
        let request = Request::get("/").body(Bytes::new()).unwrap();
        let event = event(&request, "$default", &clock());
        for absent in ["body", "cookies", "queryStringParameters"] {
            assert_eq!(event.get(absent), None, "{absent}");
        }
        assert_eq!(event["isBase64Encoded"], false);
    }

    #[tokio::test]
    async fn an_answer_keeps_its_cookies_apart() {
        let response = respond(json!({
            "statusCode": 302,
            "headers": {"location": "https://example.com"},
            "cookies": ["a=1; HttpOnly", "b=2"],
            "body": "aGk=",
            "isBase64Encoded": true,
        }));
        assert_eq!(response.status(), 302);
        assert_eq!(response.headers()["location"], "https://example.com");
        assert_eq!(response.headers().get_all(SET_COOKIE).iter().count(), 2);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body.as_ref(), b"hi");
    }

    #[tokio::test]
    async fn an_answer_without_a_status_is_json() {
        let response = respond(json!({"a": 1}));
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
    }

    #[tokio::test]
    async fn a_failed_function_is_an_internal_server_error() {
        let host = LambdaHost::new();
        host.register(Function::new("oauth-callback", "/bin/false"));
        let gateway = ApiGateway::new(host, "oauth-callback", clock()).unwrap();
        let service = gateway.service(Arc::default());
        let request = Request::get("/authorize?ticket=1")
            .body(Bytes::new())
            .unwrap();
        let response = service.call(request).await.unwrap();
        assert_eq!(response.status(), 500);
        assert_eq!(
            response.body().as_ref(),
            br#"{"message":"Internal Server Error"}"#
        );
        assert_eq!(service.gate.operations(), ["api-gateway GET /authorize"]);
    }
}
