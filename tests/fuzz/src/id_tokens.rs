//! Signing keys and id tokens, an empty line between them: whatever they say, nobody is let in whom no key of
//! Entra's signed, and what is said of it is one of our own words.

use jiff::Timestamp;
use secrecy::SecretString;
use shared::entra::id_token::{Issuer, account};

use crate::graph_errors::app;

/// See the module.
pub fn property(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let (keys, token) = text.split_once("\n\n").unwrap_or(("{\"keys\":[]}", text));
    let Ok(keys) = serde_json::from_str(keys) else {
        return;
    };
    let issuer = Issuer {
        name: "https://login.microsoftonline.com/11111111-1111-4111-8111-111111111111/v2.0"
            .to_owned(),
        keys,
    };
    let nonce = SecretString::from("a nonce");
    let token = SecretString::from(token);
    let now = Timestamp::UNIX_EPOCH;
    let refused = account(&token, &issuer, &app(), &nonce, now).unwrap_err();
    assert!(refused.len() < 40 && refused.is_ascii());
}
