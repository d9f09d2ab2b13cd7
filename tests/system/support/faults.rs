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

/// Each service says it in its own words.
pub fn throttled(service: &str) -> Fault {
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
