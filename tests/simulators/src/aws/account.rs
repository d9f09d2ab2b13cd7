//! The one AWS account and region of the simulated world, and what every AWS request must carry.

use http::HeaderMap;

/// The account's number.
pub const ACCOUNT_ID: &str = "123456789012";

/// The region that everything is in.
pub const REGION: &str = "eu-west-1";

/// Whether the request says that it is signed with Signature Version 4. The signature is not checked.
#[must_use]
pub fn is_signed(headers: &HeaderMap) -> bool {
    authorization(headers).is_some_and(|value| value.starts_with("AWS4-HMAC-SHA256 "))
}

/// The access key id that the request is signed with.
#[must_use]
pub fn access_key_id(headers: &HeaderMap) -> Option<&str> {
    let (_, credential) = authorization(headers)?.split_once("Credential=")?;
    credential.split('/').next()
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(http::header::AUTHORIZATION)?.to_str().ok()
}
