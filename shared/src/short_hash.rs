//! A few characters that tell one text from another where there is little room: in a marker, in tags.

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};

/// The first 8 hexadecimal digits of the text's SHA-256.
#[must_use]
pub fn short_hash(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    let (front, _) = hash.as_ref().split_at(4);
    HEXLOWER.encode(front)
}
