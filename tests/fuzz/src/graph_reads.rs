//! What Graph says of an account and of a credential's use: an account has the addresses that stand in the
//! answer and no other, and an odd row of the report costs the others nothing.

use secrecy::SecretString;
use serde_json::{Value, json};
use shared::graph::account;
use shared::ids::{KeyId, MailboxAddress};
use shared::retry::CallError;

use crate::canned::{Canned, at_once};
use crate::graph_errors::{app, client, registration};
use crate::said::assert_fit_for_logs_and_mails;

/// See the module.
pub fn property(data: &[u8]) {
    let Some(answer) = Canned::read(data) else {
        return;
    };
    let errors = [
        addresses(&answer).err(),
        used(&answer).err(),
        inbox(&answer).err(),
    ];
    for error in errors.into_iter().flatten() {
        assert_fit_for_logs_and_mails(&error.failure);
        assert_eq!(error.status, Some(answer.status));
    }
}

fn addresses(answer: &Canned) -> Result<(), CallError> {
    let (http, token) = (client(answer.clone()), SecretString::from("a token"));
    let addresses = at_once(account::addresses(&http, &app().endpoints, &token))?;
    assert!(answer.is_success());
    let me: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let said = me.to_string().to_lowercase();
    for address in ["orders@shop.example", "u1@corp.example", "x@y.z"] {
        let address = MailboxAddress::read(address).unwrap();
        assert!(!addresses.contain(&address) || said.contains(&address.key()));
    }
    Ok(())
}

fn used(answer: &Canned) -> Result<(), CallError> {
    let key_id = KeyId(uuid::Uuid::nil());
    let read = |answer: Canned| at_once(registration(answer).last_used(key_id));
    let used = read(answer.clone())?;
    assert!(answer.is_success());
    let mut report: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    if let Some(Value::Array(rows)) = report.get_mut("value") {
        let row =
            json!({"keyId": key_id.to_string(), "signInActivity": {"lastSignInDateTime": "soon"}});
        rows.splice(0..0, [json!(7), row, Value::Null]);
        let beside_odd_rows = read(Canned {
            body: report.to_string().into_bytes(),
            ..answer.clone()
        });
        assert_eq!(beside_odd_rows.unwrap(), used);
    }
    Ok(())
}

fn inbox(answer: &Canned) -> Result<(), CallError> {
    let (http, token) = (client(answer.clone()), SecretString::from("a token"));
    at_once(account::open_inbox(&http, &app().endpoints, &token))?;
    assert!(answer.is_success());
    Ok(())
}
