//! Mail that Graph sends and lists.

use data_encoding::BASE64;
use http::StatusCode;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, MAILBOX, ask};
use crate::microsoft::directory::account::Person;
use crate::microsoft::exchange::store::{Folder, Via};

const SENDER: &str = "Mail.Send";

async fn send(fixture: &Fixture, kind: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {}", fixture.signed_in(SENDER));
    let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
    let path = "/v1.0/me/sendMail";
    ask(&fixture.graph, "POST", path, &headers, body.to_owned()).await
}

async fn list(fixture: &Fixture, scopes: &str, path: &str, query: &[(&str, &str)]) -> Answer {
    let bearer = format!("Bearer {}", fixture.signed_in(scopes));
    let headers = [("authorization", bearer.as_str())];
    let path = format!("/v1.0/{path}?{}", crate::fixture::form(query));
    ask(&fixture.graph, "GET", &path, &headers, "").await
}

fn subjects(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let all = answer.json()["value"].as_array().unwrap().clone();
    let subject = |mail: &Value| mail["subject"].as_str().unwrap().to_owned();
    all.iter().map(subject).collect()
}

#[tokio::test]
async fn a_mail_goes_out_as_mime_without_what_only_systems_may_say_and_a_copy_is_kept() {
    let fixture = Fixture::new();
    let mime = format!(
        "From: {MAILBOX}\r\nTo: {MAILBOX}\r\nSubject: canary\r\nAuto-Submitted: auto-generated\r\nX-Own: 1\r\n\r\nHello."
    );
    let sent = send(&fixture, "text/plain", &BASE64.encode(mime.as_bytes())).await;
    assert_eq!((sent.status.as_u16(), sent.body.len()), (202, 0));
    let mails = fixture.directory.mails(MAILBOX);
    let folders: Vec<Folder> = mails.iter().map(|mail| mail.folder).collect();
    assert_eq!(folders, [Folder::SentItems, Folder::Inbox]);
    assert_eq!(mails[1].header("Auto-Submitted"), None);
    assert_eq!(mails[1].header("X-Own").as_deref(), Some("1"));
    assert_eq!(fixture.directory.submitted_mail()[0].via, Via::Graph);
    for wrong in ["", "not base64!"] {
        let refused = send(&fixture, "text/plain", wrong).await;
        assert_eq!(refused.status, 400);
        let code = &refused.json()["error"]["code"];
        assert_eq!(code, "ErrorMimeContentInvalidBase64String");
    }
    let others = mime.replace(MAILBOX, "boss@shop.example");
    let denied = send(&fixture, "text/plain", &BASE64.encode(others.as_bytes())).await;
    assert_eq!(denied.json()["error"]["code"], "ErrorSendAsDenied");
}

#[tokio::test]
async fn a_mail_goes_out_as_json_with_headers_of_its_own_only_and_a_copy_unless_told_otherwise() {
    let fixture = Fixture::new();
    let mail = |name: &str| {
        json!({"message": {
            "subject": "canary",
            "toRecipients": [{"emailAddress": {"address": MAILBOX}}],
            "internetMessageHeaders": [{"name": name, "value": "auto-generated"}],
        }, "saveToSentItems": false})
        .to_string()
    };
    let kind = "application/json";
    let refused = send(&fixture, kind, &mail("Auto-Submitted")).await;
    let code = &refused.json()["error"]["code"];
    assert_eq!(code, "InvalidInternetMessageHeader");
    assert_eq!(send(&fixture, kind, &mail("X-Own")).await.status, 202);
    let mails = fixture.directory.mails(MAILBOX);
    assert_eq!((mails.len(), mails[0].folder), (1, Folder::Inbox));
    assert_eq!(mails[0].header("x-own").as_deref(), Some("auto-generated"));
}

#[tokio::test]
async fn messages_are_filtered_ordered_and_counted_off() {
    let fixture = Fixture::new();
    for subject in ["one", "it's two", "three"] {
        fixture
            .directory
            .receive_mail("a@b.example", MAILBOX, subject);
        fixture.wait(60);
    }
    let inbox = "me/mailFolders/inbox/messages";
    let ask = async |query: &[(&str, &str)]| list(&fixture, "Mail.Read", inbox, query).await;
    let newest = ask(&[("$top", "2"), ("$orderby", "receivedDateTime desc")]).await;
    assert_eq!(subjects(&newest), ["three", "it's two"]);
    assert!(
        newest.json()["@odata.nextLink"]
            .as_str()
            .unwrap()
            .contains("%24skip=2")
    );
    let one = [
        ("$filter", "subject eq 'it''s two'"),
        ("$select", "id,subject"),
    ];
    let found = ask(&one).await;
    assert_eq!(subjects(&found), ["it's two"]);
    assert_eq!(found.json()["value"][0].as_object().unwrap().len(), 3);
    let both = "receivedDateTime ge 2026-11-23T09:00:30Z and startswith(subject, 't')";
    let found = ask(&[("$filter", both), ("$orderby", "receivedDateTime desc")]).await;
    assert_eq!(subjects(&found), ["three"]);
    let order = ("$orderby", "receivedDateTime desc");
    let refused = ask(&[("$filter", "subject eq 'one'"), order]).await;
    assert_eq!(refused.json()["error"]["code"], "InefficientFilter");
    let junk = |habits: &mut crate::microsoft::exchange::store::ExchangeHabits| {
        habits.takes_for_junk = true;
        habits.delivery_takes = SignedDuration::from_secs(5);
    };
    fixture.directory.set_exchange_habits(junk);
    fixture
        .directory
        .receive_mail("a@b.example", MAILBOX, "four");
    let all = || list(&fixture, "Mail.ReadBasic", "me/messages", &[("$top", "1")]);
    assert_eq!(subjects(&all().await), ["three"], "it is on its way");
    fixture.wait(6);
    assert_eq!(subjects(&all().await), ["four"]);
    assert!(all().await.json()["value"][0]["body"].is_null());
    assert_eq!(subjects(&ask(&[]).await).len(), 3);
    let junk = list(&fixture, "Mail.Read", "me/mailFolders/junkemail", &[]).await;
    assert_eq!(junk.json()["unreadItemCount"], 1);
}

#[tokio::test]
async fn a_shared_mailbox_is_read_with_full_access_and_a_scope_for_it() {
    let fixture = Fixture::new();
    let shared = "info@shop.example";
    let person = Person::with_mailbox(shared, "another password");
    fixture.directory.add_account(fixture.tenant, person);
    fixture
        .directory
        .receive_mail("a@b.example", shared, "canary");
    let path = "users/info@shop.example/mailFolders/inbox/messages";
    let read = async |scopes: &str| list(&fixture, scopes, path, &[]).await;
    assert_eq!(read("Mail.Read.Shared").await.status, 403);
    let full_access = |person: &mut Person| person.full_access.push(shared.to_owned());
    fixture
        .directory
        .change_account(fixture.person, full_access);
    assert_eq!(read("Mail.Read").await.status, 403);
    assert_eq!(subjects(&read("Mail.Read.Shared").await), ["canary"]);
}
