//! What is reported to Lambda when a function does not start.

use bytes::Bytes;
use http::Request;
use lambda_runtime::Diagnostic;

use crate::http::{Client, Limits};
use crate::period::Period;

/// The runtime API is on the same machine, and an init may take ten seconds.
const LIMITS: Limits = Limits {
    connect: Period::seconds(1),
    request: Period::seconds(2),
};

/// Whoever waits for the function is answered with its error then, instead of with nothing; lambda_runtime
/// reports the errors of SnapStart alone. Whatever comes of it is no matter: the log has the reason.
pub(super) async fn report(runtime_api: &str, error: &Diagnostic) {
    let request = request(runtime_api, error);
    if let (Some(request), Ok(http)) = (request, Client::new(LIMITS)) {
        let _ = http.send(request).await;
    }
}

/// *Initialization error* in the Lambda guide's *Runtime API*, which recommends `<category.reason>`. Other
/// categories than these two become `Runtime.Unknown` (aws/aws-lambda-runtime-interface-emulator,
/// `internal/lambda/fatalerror/fatalerror.go`).
fn request(runtime_api: &str, error: &Diagnostic) -> Option<Request<Bytes>> {
    let kind = format!("Runtime.{}", error.error_type);
    let body = serde_json::to_vec(error).ok()?;
    Request::post(format!(
        "http://{runtime_api}/2018-06-01/runtime/init/error"
    ))
    .header("Lambda-Runtime-Function-Error-Type", kind)
    .body(body.into())
    .ok()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_error_is_reported_in_lambdas_own_form() {
        let error = Diagnostic {
            error_type: "Misconfigured".to_owned(),
            error_message: "CALLBACK_URL is missing".to_owned(),
        };
        let request = request("127.0.0.1:9001", &error).unwrap();
        let address = "http://127.0.0.1:9001/2018-06-01/runtime/init/error";
        assert_eq!(
            (
                request.method().as_str(),
                request.uri().to_string().as_str()
            ),
            ("POST", address)
        );
        let kind = &request.headers()["lambda-runtime-function-error-type"];
        assert_eq!(kind, "Runtime.Misconfigured");
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let reported =
            json!({"errorType": "Misconfigured", "errorMessage": "CALLBACK_URL is missing"});
        assert_eq!(body, reported);
    }
}
