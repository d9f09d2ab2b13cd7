mod bulk;
mod mail;
mod registering;
mod shown;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::*;
use crate::fixture::{Fixture, MAILBOX, ask};
use crate::microsoft::directory::application::NewSecret;
use crate::microsoft::directory::replication::{Lag, Replica};

#[test]
fn an_app_is_found_under_either_key_however_it_is_escaped() {
    let read = |path: &str| Route::read(&Method::GET, &path.parse().unwrap());
    let by_app_id = Route::Application(AppKey::AppId("a-b".to_owned()));
    assert_eq!(read("/v1.0/applications(appId='a-b')"), by_app_id);
    assert_eq!(read("/v1.0/applications%28appId=%27a-b%27%29"), by_app_id);
    assert_eq!(
        read("/v1.0/applications/a-b?$select=id"),
        Route::Application(AppKey::ObjectId("a-b".to_owned()))
    );
    assert_eq!(
        read("/v1.0/me/mailFolders('Inbox')").operation(),
        "GET me/mailFolders/inbox"
    );
    assert!(matches!(
        read("/v1.0/applications(name='a')"),
        Route::Unknown(_)
    ));
}

#[tokio::test]
async fn a_credential_is_listed_with_its_hint_or_with_none() {
    let fixture = Fixture::new();
    let bearer = fixture.rotator_bearer().await;
    let (key, value) = fixture.secret();
    for shows_hint in [true, false] {
        fixture
            .directory
            .set_graph_habits(|habits| habits.shows_hint = shows_hint);
        let seen = fixture.about_app(&bearer, "GET", "", Value::Null).await;
        let listed = &seen.json()["passwordCredentials"][0];
        assert_eq!(listed["keyId"], key.to_string());
        let hint = listed["hint"].as_str();
        assert_eq!(hint, shows_hint.then(|| &value[..3]));
    }
}

#[tokio::test]
async fn a_secret_of_the_service_principal_signs_in_and_is_not_listed() {
    let fixture = Fixture::new();
    let bearer = fixture.rotator_bearer().await;
    let new = NewSecret {
        on_service_principal: true,
        ..NewSecret::default()
    };
    let (key, value) = fixture
        .directory
        .add_secret(fixture.app.app_id, new)
        .unwrap();
    assert_eq!(fixture.try_secret(&value).await.status, 200);
    let seen = fixture.about_app(&bearer, "GET", "", Value::Null).await;
    assert_eq!(seen.json()["passwordCredentials"], json!([]));
    let key = json!({"keyId": key});
    let removed = fixture.about_app(&bearer, "POST", "/removePassword", key);
    assert_eq!(removed.await.status, 400);
}

#[tokio::test]
async fn reads_over_one_connection_meet_one_replica() {
    let fixture = Fixture::new();
    let bearer = fixture.rotator_bearer().await;
    fixture.secret();
    let late = Replica {
        learns: Lag::Time(SignedDuration::from_hours(1)),
        ..Replica::default()
    };
    fixture
        .directory
        .set_graph_replicas(vec![Replica::default(), late]);
    fixture
        .directory
        .set_graph_habits(|habits| habits.reads_by_connection = true);
    let seen = async |connection: u64| {
        let uri = format!("/v1.0/applications(appId='{}')", fixture.app.app_id);
        let request = Request::get(uri)
            .header("authorization", &bearer)
            .extension(ConnectionNumber(connection))
            .body(Bytes::new());
        let answer = fixture.graph.call(request.unwrap()).await.unwrap();
        let app: Value = serde_json::from_slice(answer.body()).unwrap();
        app["passwordCredentials"].as_array().unwrap().len()
    };
    for _ in 0..3 {
        assert_eq!((seen(2).await, seen(3).await), (1, 0));
    }
}

#[tokio::test]
async fn a_secret_is_added_seen_used_and_removed() {
    let fixture = Fixture::new();
    let bearer = fixture.rotator_bearer().await;
    let added = fixture.add_password(&bearer, &"n".repeat(100)).await;
    assert_eq!(added.status, 200);
    let added = added.json();
    let secret = added["secretText"].as_str().unwrap();
    assert_eq!(secret.len(), 40);
    assert!("~._-".chars().all(|mark| secret.contains(mark)));
    assert_eq!(added["hint"], secret[..3]);
    assert_eq!(added["displayName"].as_str().unwrap().len(), 90);
    assert_eq!(added["endDateTime"], "2027-05-22T00:00:00.0000000Z");
    let seen = fixture
        .about_app(&bearer, "GET", "?$select=passwordCredentials", Value::Null)
        .await;
    let listed = &seen.json()["passwordCredentials"][0];
    assert_eq!(listed["keyId"], added["keyId"]);
    assert_eq!(listed["secretText"], Value::Null);
    assert_eq!(seen.json().get("appId"), None);
    assert_eq!(fixture.try_secret(secret).await.status, 200);

    let key = json!({"keyId": added["keyId"]});
    let removed = fixture
        .about_app(&bearer, "POST", "/removePassword", key.clone())
        .await;
    assert_eq!((removed.status.as_u16(), removed.body.len()), (204, 0));
    let again = fixture
        .about_app(&bearer, "POST", "/removePassword", key)
        .await;
    assert_eq!(again.status, 400);
    let error = &again.json()["error"];
    assert_eq!(error["code"], "Request_BadRequest");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains("No password credential found with keyId"));
    let date = error["innerError"]["date"].as_str().unwrap();
    assert!(
        date.parse::<jiff::Timestamp>().is_err(),
        "{date} has no zone"
    );
    assert_eq!(
        error["innerError"]["request-id"],
        again.header("request-id")
    );
}

#[tokio::test]
async fn the_role_alone_and_the_ownership_alone_are_nothing() {
    let fixture = Fixture::new();
    let bearer = fixture.rotator_bearer().await;
    let refused = |answer: crate::fixture::Answer| {
        assert_eq!(answer.status, 403);
        assert_eq!(
            answer.json()["error"]["code"],
            "Authorization_RequestDenied"
        );
    };
    fixture
        .directory
        .change(fixture.app.app_id, |app| app.owners.clear());
    refused(fixture.add_password(&bearer, "a").await);
    refused(fixture.about_app(&bearer, "GET", "", Value::Null).await);
    let owner = fixture.rotator.service_principal_id;
    fixture.directory.change(fixture.app.app_id, |app| {
        app.owners.insert(owner);
    });
    assert_eq!(fixture.add_password(&bearer, "a").await.status, 200);
    fixture
        .directory
        .change(fixture.rotator.app_id, |app| app.app_roles.clear());
    refused(
        fixture
            .add_password(&fixture.rotator_bearer().await, "a")
            .await,
    );
    fixture.directory.change(fixture.rotator.app_id, |app| {
        app.app_roles.insert("Application.Read.All".to_owned());
    });
    let bearer = fixture.rotator_bearer().await;
    assert_eq!(
        fixture
            .about_app(&bearer, "GET", "", Value::Null)
            .await
            .status,
        200
    );
    refused(fixture.add_password(&bearer, "a").await);
    let nobody = fixture
        .about_app("Bearer nothing", "GET", "", Value::Null)
        .await;
    assert_eq!(nobody.status, 401);
    assert_eq!(nobody.json()["error"]["code"], "InvalidAuthenticationToken");
}

#[tokio::test]
async fn policies_are_read_with_permissions_of_their_own_and_what_an_apps_defines_takes_the_tenants_place()
 {
    let fixture = Fixture::new();
    let days = |days: i64| Some(jiff::SignedDuration::from_hours(days * 24));
    fixture
        .directory
        .set_longest_secret(fixture.tenant, days(90));
    let default = async |bearer: &str| {
        let headers = [("authorization", bearer)];
        let uri = "/v1.0/policies/defaultAppManagementPolicy";
        ask(&fixture.graph, "GET", uri, &headers, "").await
    };
    let own = async |bearer: &str| {
        let below = "/appManagementPolicies";
        fixture.about_app(bearer, "GET", below, Value::Null).await
    };
    let bearer = fixture.rotator_bearer().await;
    assert_eq!(default(&bearer).await.status, 403);
    assert_eq!(own(&bearer).await.status, 403);
    let permit = |permission: &str| {
        fixture.directory.change(fixture.rotator.app_id, |app| {
            app.app_roles.insert(permission.to_owned());
        });
    };
    permit("Policy.Read.All");
    let bearer = fixture.rotator_bearer().await;
    let shown = default(&bearer).await.json();
    assert_eq!(shown["isEnabled"], true);
    let restriction = &shown["applicationRestrictions"]["passwordCredentials"][0];
    assert_eq!(restriction["restrictionType"], "passwordLifetime");
    assert_eq!(restriction["maxLifetime"], "P90D");
    assert_eq!(own(&bearer).await.status, 403, "apps are read with another");
    permit("Application.Read.All");
    let bearer = fixture.rotator_bearer().await;
    assert_eq!(own(&bearer).await.json()["value"], json!([]));
    // Two years are too long for the default policy, and not for the app's own.
    assert_eq!(fixture.add_password(&bearer, "a").await.status, 400);
    fixture.directory.change(fixture.app.app_id, |app| {
        app.max_secret_lifetime = days(740);
    });
    let policy = own(&bearer).await.json();
    let policy = &policy["value"][0];
    let restriction = &policy["restrictions"]["passwordCredentials"][0];
    assert_eq!(restriction["maxLifetime"], "P740D");
    assert_eq!(fixture.add_password(&bearer, "a").await.status, 200);
}

#[tokio::test]
async fn policies_and_limits_refuse_new_secrets_only() {
    let fixture = Fixture::new();
    let bearer = fixture.rotator_bearer().await;
    let app = fixture.app.app_id;
    let code = async || fixture.add_password(&bearer, "a").await.json()["error"]["code"].clone();
    fixture.directory.change(app, |app| {
        app.max_secret_lifetime = Some(jiff::SignedDuration::from_hours(90 * 24));
    });
    assert_eq!(code().await, "CredentialInvalidLifetimeAsPerAppPolicy");
    // The default of two years counts too.
    let default = fixture
        .about_app(&bearer, "POST", "/addPassword", Value::Null)
        .await;
    assert_eq!(
        default.json()["error"]["code"],
        "CredentialInvalidLifetimeAsPerAppPolicy"
    );
    fixture
        .directory
        .change(app, |app| app.secrets_blocked = Some(true));
    assert_eq!(code().await, "CredentialTypeNotAllowedAsPerAppPolicy");
    fixture.directory.change(app, |app| {
        app.secrets_blocked = None;
        app.max_secret_lifetime = None;
        app.sign_in_audience = crate::microsoft::directory::application::Audience::AnyAndPersonal;
    });
    assert_eq!(code().await, Value::Null);
    assert_eq!(code().await, Value::Null);
    assert_eq!(code().await, "Request_BadRequest", "two secrets at most");
    let own = json!({"passwordCredential": {"keyId": uuid::Uuid::nil()}});
    let own = fixture
        .about_app(&bearer, "POST", "/addPassword", own)
        .await;
    assert_eq!(own.status, 400);
}

#[tokio::test]
async fn reads_lag_behind_writes_and_do_not_agree() {
    let fixture = Fixture::new();
    let bearer = fixture.rotator_bearer().await;
    let lagging = Replica {
        learns: Lag::Time(SignedDuration::from_secs(30)),
        forgets: Lag::None,
    };
    fixture
        .directory
        .set_graph_replicas(vec![Replica::default(), lagging]);
    fixture
        .directory
        .set_graph_habits(|habits| habits.remove_learns = Lag::Requests(3));
    let added = fixture.add_password(&bearer, "a").await.json();
    let count = async || {
        let app = fixture
            .about_app(&bearer, "GET", "", Value::Null)
            .await
            .json();
        app["passwordCredentials"].as_array().unwrap().len()
    };
    assert_eq!([count().await, count().await], [1, 0]);
    // The transient form of "not found": two reads and one try have been made before the last.
    let key = json!({"keyId": added["keyId"]});
    let early = fixture
        .about_app(&bearer, "POST", "/removePassword", key.clone())
        .await;
    assert_eq!(early.status, 400);
    let late = fixture
        .about_app(&bearer, "POST", "/removePassword", key)
        .await;
    assert_eq!(late.status, 204);
}

#[tokio::test(start_paused = true)]
async fn a_second_write_on_an_app_in_flight_is_a_concurrency_violation() {
    let fixture = Fixture::new();
    let bearer = fixture.rotator_bearer().await;
    fixture.directory.set_graph_habits(|habits| {
        habits.write_takes = std::time::Duration::from_secs(1);
        habits.write_spacing = SignedDuration::from_secs(2);
    });
    let (first, second) = tokio::join!(
        fixture.add_password(&bearer, "a"),
        fixture.add_password(&bearer, "b")
    );
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 409));
    assert_eq!(
        second.json()["error"]["code"],
        "Directory_ConcurrencyViolation"
    );
    assert_eq!(fixture.add_password(&bearer, "c").await.status, 409);
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(fixture.add_password(&bearer, "c").await.status, 200);
    assert_eq!(fixture.directory.credentials(fixture.app.app_id).len(), 2);
}

#[tokio::test]
async fn the_mailbox_answers_to_its_scopes() {
    let fixture = Fixture::new();
    let bearer = |scopes: &str| format!("Bearer {}", fixture.signed_in(scopes));
    let get = async |bearer: &str, path: &str| {
        ask(
            &fixture.graph,
            "GET",
            path,
            &[("authorization", bearer)],
            "",
        )
        .await
    };
    let reader = bearer("User.Read Mail.Read");
    let me = get(
        &reader,
        "/v1.0/me?$select=id,userPrincipalName,mail,proxyAddresses",
    )
    .await;
    assert_eq!(me.json()["proxyAddresses"][0], format!("SMTP:{MAILBOX}"));
    assert_eq!(get(&reader, "/v1.0/me/mailFolders/inbox").await.status, 200);
    let sender = bearer("Mail.Send");
    let denied = get(&sender, "/v1.0/me/mailFolders/inbox").await;
    assert_eq!(denied.status, 403);
    assert_eq!(denied.json()["error"]["code"], "ErrorAccessDenied");
    let outlook = bearer("https://outlook.office.com/SMTP.Send");
    assert_eq!(get(&outlook, "/v1.0/me").await.status, 401);
    let mail = json!({"message": {"toRecipients": [{"emailAddress": {"address": MAILBOX}}]}});
    let headers = [("authorization", sender.as_str())];
    let sent = ask(
        &fixture.graph,
        "POST",
        "/v1.0/me/sendMail",
        &headers,
        mail.to_string(),
    )
    .await;
    assert_eq!(sent.status, 202);
    assert_eq!(fixture.directory.submitted_mail().len(), 1);
    fixture
        .directory
        .change_account(fixture.person, |person| person.has_mailbox = false);
    let gone = get(&reader, "/v1.0/me/mailFolders/inbox").await;
    assert_eq!(gone.status, 404);
    assert_eq!(gone.json()["error"]["code"], "MailboxNotEnabledForRESTAPI");
}
