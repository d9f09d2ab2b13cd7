//! Every form in which a secret could be hidden in a text.

use std::collections::BTreeSet;

use data_encoding::{BASE64, BASE64URL, HEXLOWER};
use serde_json::{Value, json};

/// A secret and every form in which it could be hidden in a text.
pub struct Guises {
    pub secret: String,
    forms: BTreeSet<String>,
}

impl Guises {
    pub fn of(secret: &str) -> Self {
        let bytes = secret.as_bytes();
        let mut forms = BTreeSet::from([secret.to_owned()]);
        for front in 0..3 {
            for encoding in [BASE64, BASE64URL] {
                forms.insert(inner_base64(&encoding, bytes, front));
            }
        }
        let percent: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
        forms.insert(percent.to_lowercase());
        forms.insert(percent);
        let form: String = url::form_urlencoded::byte_serialize(bytes).collect();
        forms.insert(form.to_lowercase());
        forms.insert(form);
        let json = Value::from(secret).to_string();
        forms.insert(json.trim_matches('"').to_owned());
        forms.insert(HEXLOWER.encode(bytes));
        forms.insert(HEXLOWER.encode(bytes).to_uppercase());
        forms.insert(secret.chars().rev().collect());
        Self {
            secret: secret.to_owned(),
            forms,
        }
    }

    pub fn is_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form))
    }
}

/// The characters of the Base64 form that do not depend on what stands before and behind, with
/// `front` bytes before.
fn inner_base64(encoding: &data_encoding::Encoding, bytes: &[u8], front: usize) -> String {
    let mut whole = vec![0; front];
    whole.extend_from_slice(bytes);
    let text = encoding.encode(&whole);
    let first = (front * 8).div_ceil(6);
    let last = whole.len() * 8 / 6;
    text[first..last].to_owned()
}

#[test]
fn the_search_finds_a_secret_in_every_guise() {
    let secret = "epb8Q~58LHke6.ysNHwCJb_wJIlOu2u-m9TpqYXK";
    let guises = Guises::of(secret);
    for front in ["", "a", "ab", "abc", "user:"] {
        for behind in ["", "x", "xy", "xyz"] {
            let whole = format!("{front}{secret}{behind}");
            for hidden in [
                BASE64.encode(whole.as_bytes()),
                BASE64URL.encode(whole.as_bytes()),
                url::form_urlencoded::byte_serialize(whole.as_bytes()).collect(),
                HEXLOWER.encode(whole.as_bytes()),
                json!({ "a": whole }).to_string(),
            ] {
                assert!(guises.is_in(&format!("before {hidden} behind")), "{hidden}");
            }
        }
    }
    assert!(!guises.is_in(&BASE64.encode(b"something else that is long enough to be one")));
}
