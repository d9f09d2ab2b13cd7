//! The HTTP request in an API Gateway event (payload format 2.0).

use data_encoding::BASE64;
use serde::Deserialize;
use serde_json::Value;
use shared::failure::{Failure, Kind};
use url::form_urlencoded;

use crate::route::Route;

/// What the routes need of a request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// In capitals.
    pub method: String,
    /// Without the stage.
    pub path: String,
    /// What is on its page and in its log lines.
    pub reference: String,
    /// `name=value`, each.
    pub cookies: Vec<String>,
    query: String,
    form: String,
}

/// No form of ours is longer.
const LONGEST_FORM: usize = 16 * 1024;

impl Request {
    /// Reads an event.
    ///
    /// # Errors
    /// [`Kind::Refused`] when it is not an HTTP request in payload format 2.0.
    pub fn read(event: &Value) -> Result<Self, Failure> {
        let wrong =
            |problem: &str| Failure::new(Kind::Refused, format!("reading the event: {problem}"));
        if event.get("version").and_then(Value::as_str) != Some("2.0") {
            return Err(wrong(
                "version is not 2.0, API Gateway's payload format for HTTP APIs",
            ));
        }
        // Of the rest only what is used: an odd field elsewhere in the event must not close the pages.
        let context = event.get("requestContext").unwrap_or(&Value::Null);
        let http = context.get("http").unwrap_or(&Value::Null);
        let text = |of: &Value, field: &str| match of.get(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(wrong(&format!("{field} is not a text"))),
        };
        let method =
            text(http, "method")?.ok_or_else(|| wrong("requestContext.http.method is missing"))?;
        let stage = text(context, "stage")?.unwrap_or_default();
        let path = match text(event, "rawPath")? {
            Some(path) => path,
            None => text(http, "path")?.unwrap_or_default(),
        };
        // A named stage is part of the path, $default is not.
        let below = path
            .strip_prefix(&format!("/{stage}"))
            .filter(|rest| rest.starts_with('/'));
        let body = text(event, "body")?.unwrap_or_default();
        let body = match event.get("isBase64Encoded") {
            Some(Value::Bool(true)) => {
                let bytes = BASE64.decode(body.as_bytes()).unwrap_or_default();
                String::from_utf8(bytes).unwrap_or_default()
            }
            None | Some(Value::Null | Value::Bool(false)) => body,
            Some(_) => return Err(wrong("isBase64Encoded is not true or false")),
        };
        let cookies = match event.get("cookies") {
            None | Some(Value::Null) => Vec::new(),
            Some(cookies) => Vec::<String>::deserialize(cookies)
                .map_err(|_| wrong("cookies is not a list of texts"))?,
        };
        Ok(Self {
            method: method.to_ascii_uppercase(),
            path: below.unwrap_or(&path).to_owned(),
            reference: String::new(),
            cookies,
            query: text(event, "rawQueryString")?.unwrap_or_default(),
            form: if body.len() > LONGEST_FORM {
                String::new()
            } else {
                body
            },
        })
    }

    /// The request as it is below `base`, the path of the address at which people reach us.
    pub fn below(self, base: &str) -> Self {
        let below = self.path.strip_prefix(base.trim_end_matches('/'));
        match below.filter(|rest| rest.starts_with('/')) {
            Some(path) => Self {
                path: path.to_owned(),
                ..self
            },
            None => self,
        }
    }

    /// The request with the reference that Lambda has for it.
    pub fn known_as(self, reference: &str) -> Self {
        let reference = reference.to_owned();
        Self { reference, ..self }
    }

    /// The step's name in the log: that of the path, whatever the method.
    pub fn step(&self) -> &'static str {
        let mut routes = Route::ALL.into_iter();
        routes
            .find(|route| route.path() == self.path)
            .map_or("other", Route::href)
    }

    /// A parameter of the query; given twice it is not taken at all.
    pub fn query(&self, name: &str) -> Option<String> {
        only(&self.query, name)
    }

    /// Whether the query has a parameter, once or more often.
    pub fn has_query(&self, name: &str) -> bool {
        form_urlencoded::parse(self.query.as_bytes()).any(|(key, _)| key == name)
    }

    /// A field of the form.
    pub fn form(&self, name: &str) -> Option<String> {
        only(&self.form, name)
    }
}

fn only(pairs: &str, name: &str) -> Option<String> {
    let mut values = form_urlencoded::parse(pairs.as_bytes()).filter(|(key, _)| key == name);
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Some(value.into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event() -> Value {
        json!({
            "version": "2.0", "routeKey": "GET /callback", "rawPath": "/callback",
            "rawQueryString": "code=a%2Bb&state=s&state=t", "cookies": ["a=b"],
            "headers": {"host": "x"},
            "requestContext": {"http": {"method": "GET", "path": "/callback", "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1", "userAgent": "x"}, "stage": "$default", "requestId": "r"},
            "isBase64Encoded": false
        })
    }

    #[test]
    fn a_parameter_that_is_given_twice_is_not_taken() {
        let request = Request::read(&event()).unwrap();
        assert_eq!(request.query("code").as_deref(), Some("a+b"));
        assert_eq!(request.query("state"), None);
    }

    #[test]
    fn the_sample_payloads_are_what_their_names_say() {
        for (sample, route, parameter) in [
            (
                include_str!("../../../infra/events/start.json"),
                Route::Start,
                "ticket",
            ),
            (
                include_str!("../../../infra/events/callback.json"),
                Route::Callback,
                "code",
            ),
        ] {
            let request = Request::read(&serde_json::from_str(sample).unwrap()).unwrap();
            assert_eq!(Route::of(&request.method, &request.path), Ok(route));
            assert!(request.query(parameter).is_some());
        }
    }

    #[test]
    fn a_named_stage_is_not_part_of_the_route() {
        let mut staged = event();
        staged["requestContext"]["stage"] = json!("prod");
        staged["rawPath"] = json!("/prod/callback");
        assert_eq!(Request::read(&staged).unwrap().path, "/callback");
    }

    #[test]
    fn what_is_no_http_request_is_refused() {
        for event in [
            json!({}),
            json!(null),
            json!({"version": "1.0"}),
            json!({"version": "2.0", "cookies": 1}),
        ] {
            assert_eq!(Request::read(&event).unwrap_err().kind, Kind::Refused);
        }
    }
}
