//! Answers that are not the service's own.

use simulators::gate::Fault;

/// This answer, with the call's effect or without.
pub fn answer(status: u16, effect: bool, body: &str) -> Fault {
    Fault::Answer {
        effect,
        status,
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        body: body.to_owned(),
    }
}

/// A mail server's own words for that it cannot take it now; other services have a status for it.
fn not_now(service: &str) -> Option<&'static str> {
    match service {
        "imap" => Some("* BYE Connection is closed. 13\r\n"),
        "pop3" => Some("-ERR Server Unavailable. 21\r\n"),
        "smtp" => Some("421 4.3.2 Service not active\r\n"),
        _ => None,
    }
}

/// This status from the service, or what a mail server says in its place.
pub fn unavailable(service: &str, status: u16, effect: bool) -> Fault {
    match not_now(service) {
        Some(words) => Fault::Answer {
            effect,
            status,
            headers: vec![("Connection".to_owned(), "close".to_owned())],
            body: words.to_owned(),
        },
        None => answer(status, effect, "{}"),
    }
}

/// Each service says it in its own words.
pub fn throttled(service: &str) -> Fault {
    if not_now(service).is_some() {
        return unavailable(service, 429, false);
    }
    let (status, body) = match service {
        "secretsmanager" | "events" => {
            (400, r#"{"__type":"ThrottlingException","message":"slow"}"#)
        }
        "sts" => (
            400,
            "<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>slow</Message></Error></ErrorResponse>",
        ),
        _ => (429, "{}"),
    };
    let mut headers = vec![("Retry-After".to_owned(), "1".to_owned())];
    if service == "lambda" {
        let kind = "TooManyRequestsException".to_owned();
        headers.push(("X-Amzn-ErrorType".to_owned(), kind));
    }
    Fault::Answer {
        effect: false,
        status,
        headers,
        body: body.to_owned(),
    }
}
