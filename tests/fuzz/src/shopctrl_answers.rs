//! ShopCtrl's answers: nothing but a success says that a connection holds a secret or passed a test,
//! only its own 409 sends for a person, and of a refusal a bounded code is kept and nothing else.

use http::Method;
use serde_json::{Value, json};
use shared::config::{BaseUrl, Reader};
use shared::mailbox_secret::{MailboxSecret, StoredCredential};
use shared::retry::{CallError, Effect};
use shared::shopctrl::connections::{Replaced, Tested};
use shared::shopctrl::{Login, ShopCtrl, ShopCtrlPaths};

use crate::canned::{Canned, answering, at_once};
use crate::said::{assert_all_comes_of_the_code, assert_fit_for_logs_and_mails};

/// See the module.
pub fn property(data: &[u8]) {
    let Some(answer) = Canned::read(data) else {
        return;
    };
    for operation in [read, swap, test, status, check_login] {
        let Err(error) = operation(&answer) else {
            continue;
        };
        assert_fit_for_logs_and_mails(&error.failure);
        if answer.status == 200 {
            continue;
        }
        assert_eq!(error.status, Some(answer.status));
        if answer.status < 500 && answer.status != 408 {
            assert_eq!(error.effect, Effect::None, "it was refused");
        }
        let code_alone = match &error.failure.code {
            Some(code) => json!({ "error": code }).to_string(),
            None => String::new(),
        };
        let of_the_code_alone = operation(&answer.saying(code_alone)).unwrap_err();
        assert_all_comes_of_the_code(&error, &of_the_code_alone);
    }
}

fn read(answer: &Canned) -> Result<(), CallError> {
    let mailbox = mailbox();
    let held = at_once(shopctrl(answer.clone()).connection(&mailbox.connections[0]))?;
    assert_eq!(answer.status, 200);
    if let Some(body) = seen(answer)
        && held.has(credential(&mailbox).key_id)
    {
        let key = body["key_id"].as_str().unwrap();
        assert_eq!(key.parse().ok(), mailbox.credential.key_id());
        let status = body["status"].as_str().unwrap();
        assert!(status.eq_ignore_ascii_case("Authorized"));
    }
    Ok(())
}

fn swap(answer: &Canned) -> Result<(), CallError> {
    let mailbox = mailbox();
    let shopctrl = shopctrl_that_was_read(answer.clone());
    let connection = &mailbox.connections[0];
    let was = at_once(shopctrl.connection(connection))?;
    let status =
        match at_once(shopctrl.replace_secret(connection, &was, &mailbox, credential(&mailbox)))? {
            Replaced::Authorized(_) => 200,
            Replaced::PersonNeeded { .. } => 409,
            Replaced::ChangedMeanwhile => 412,
        };
    assert_eq!(answer.status, status);
    Ok(())
}

fn test(answer: &Canned) -> Result<(), CallError> {
    let mailbox = mailbox();
    let tested = at_once(shopctrl(answer.clone()).test_connection(&mailbox.connections[0]))?;
    assert_eq!(answer.status, 200);
    let Some(body) = seen(answer) else {
        return Ok(());
    };
    assert_eq!(tested == Tested::Passed, body["result"] == "passed");
    Ok(())
}

fn status(answer: &Canned) -> Result<(), CallError> {
    at_once(shopctrl(answer.clone()).shop_status(12))?;
    assert_eq!(answer.status, 200);
    Ok(())
}

fn check_login(answer: &Canned) -> Result<(), CallError> {
    at_once(shopctrl(answer.clone()).check_login())?;
    assert_eq!(answer.status, 200);
    Ok(())
}

/// The body in full; what is in fields that nobody reads may keep it from being text at all.
fn seen(answer: &Canned) -> Option<Value> {
    serde_json::from_slice(&answer.body).ok()
}

fn shopctrl(answer: Canned) -> ShopCtrl {
    over(move |_| answer.clone())
}

/// Reading goes well, so that there is something to change.
fn shopctrl_that_was_read(answer: Canned) -> ShopCtrl {
    over(move |method| match *method {
        Method::GET => Canned {
            headers: vec![(http::header::ETAG, http::HeaderValue::from_static("\"1\""))],
            ..Canned::json(200, &json!({"status": "Authorized", "enabled": true}))
        },
        _ => answer.clone(),
    })
}

fn over(answer: impl Fn(&Method) -> Canned + Send + Sync + 'static) -> ShopCtrl {
    let login = json!({"username": "api@shop.example", "password": "a password"}).to_string();
    ShopCtrl::new(
        answering(move |request| answer(request.method())),
        ShopCtrlPaths::read(&mut Reader::new(|_| None)),
        "https://shop.example/v1".parse::<BaseUrl>().unwrap(),
        Login::read(&login.into()).unwrap(),
    )
}

fn credential(mailbox: &MailboxSecret) -> &StoredCredential {
    mailbox.credential.stored().unwrap()
}

fn mailbox() -> MailboxSecret {
    MailboxSecret::read(&crate::mailbox_document::EXAMPLE.to_owned().into()).unwrap()
}
