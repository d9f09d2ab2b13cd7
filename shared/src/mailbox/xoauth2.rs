//! The initial response of SASL XOAUTH2 (office-developer-exchange-docs,
//! how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth.md).

use data_encoding::BASE64;
use secrecy::{ExposeSecret, SecretString};

use crate::ids::MailboxAddress;

/// As it is sent: whoever has it has the token.
pub(super) fn initial_response(user: &MailboxAddress, token: &SecretString) -> SecretString {
    let token = token.expose_secret();
    let response = format!("user={user}\x01auth=Bearer {token}\x01\x01");
    BASE64.encode(response.as_bytes()).into()
}
