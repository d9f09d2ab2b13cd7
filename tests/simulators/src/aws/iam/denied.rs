//! How each service says that a role may not do something.

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

/// As each service says it.
pub(super) fn denied(service: &str, message: &str) -> Response<Body> {
    let xml = |code: &str| {
        format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        )
    };
    let (status, body) = match service {
        "sts" => (StatusCode::FORBIDDEN, xml("AccessDenied")),
        // prowler-cloud/prowler#12, hashicorp/terraform-provider-aws#42116
        "sns" => (StatusCode::FORBIDDEN, xml("AuthorizationError")),
        "lambda" | "ses" => (
            StatusCode::FORBIDDEN,
            json!({"Message": message}).to_string(),
        ),
        _ => (
            StatusCode::BAD_REQUEST,
            json!({"__type": "AccessDeniedException", "Message": message}).to_string(),
        ),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let code = HeaderValue::from_static("AccessDeniedException");
    response.headers_mut().insert("x-amzn-errortype", code);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_service_has_its_own_code_beside_iams_sentence() {
        for (service, code) in [
            ("secretsmanager", "AccessDeniedException"),
            ("events", "AccessDeniedException"),
            ("lambda", "AccessDeniedException"),
            ("ses", "AccessDeniedException"),
            ("sts", "<Code>AccessDenied</Code>"),
            ("sns", "<Code>AuthorizationError</Code>"),
        ] {
            let answer = denied(service, "is not authorized to perform: a:B");
            assert!(answer.status().is_client_error());
            let header = answer.headers()["x-amzn-errortype"].to_str().unwrap();
            let header = header.to_owned();
            let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await;
            let said = format!("{header} {}", String::from_utf8_lossy(&body.unwrap()));
            assert!(said.contains(code), "{service}: {said}");
            assert!(said.contains("to perform: a:B"), "{service}: {said}");
        }
    }
}
