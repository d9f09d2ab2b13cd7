//! What an app registration and the tenant's policies show of what a rotation needs.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::fixture::{CALLBACK, Fixture, ask};
use crate::microsoft::directory::account::SecretsBlocked;

#[tokio::test]
async fn an_app_shows_what_a_sign_in_needs_of_it() {
    let fixture = Fixture::new();
    let bearer = fixture.rotator_bearer().await;
    let select = "?$select=createdDateTime,web,requiredResourceAccess,optionalClaims";
    let shown = async || {
        let answer = fixture.about_app(&bearer, "GET", select, Value::Null).await;
        answer.json()
    };
    let app = shown().await;
    assert_eq!(app["web"]["redirectUris"][0], CALLBACK);
    let resource = &app["requiredResourceAccess"][0];
    assert_eq!(
        resource["resourceAppId"],
        "00000003-0000-0000-c000-000000000000"
    );
    assert_eq!(resource["resourceAccess"][0]["type"], "Scope");
    assert_eq!(app["optionalClaims"], Value::Null);
    assert!(app["createdDateTime"].is_string(), "{app}");
    let sends = |app: &mut crate::microsoft::directory::application::Registration| {
        app.sends_auth_time = true;
    };
    fixture.directory.change(fixture.app.app_id, sends);
    let claim = &shown().await["optionalClaims"]["idToken"][0];
    assert_eq!(claim["name"], "auth_time");
}

#[tokio::test]
async fn whether_the_role_for_its_own_apps_shows_others_is_told_both_ways() {
    let fixture = Fixture::new();
    let bearer = fixture.rotator_bearer().await;
    let clear = |app: &mut crate::microsoft::directory::application::Registration| {
        app.owners.clear();
    };
    fixture.directory.change(fixture.app.app_id, clear);
    let read = async || {
        fixture
            .about_app(&bearer, "GET", "", Value::Null)
            .await
            .status
    };
    let owners = async || {
        fixture
            .about_app(&bearer, "GET", "/owners", Value::Null)
            .await
    };
    assert_eq!(
        (read().await, owners().await.status),
        (403.try_into().unwrap(), 403.try_into().unwrap())
    );
    fixture
        .directory
        .set_graph_habits(|habits| habits.owned_by_reads_all = true);
    assert_eq!(read().await, 200);
    assert_eq!(owners().await.json()["value"], json!([]));
    // It changes none of them all the same.
    assert_eq!(fixture.add_password(&bearer, "a").await.status, 403);
}

#[tokio::test]
async fn a_policy_blocks_new_secrets_of_apps_of_its_time_but_for_callers_that_it_excepts_and_apps_whose_own_does_not()
 {
    let fixture = Fixture::new();
    fixture.directory.change(fixture.rotator.app_id, |app| {
        app.app_roles.insert("Policy.Read.All".to_owned());
    });
    let bearer = fixture.rotator_bearer().await;
    let blocked = |apps_since, excepted: &[uuid::Uuid]| {
        let excepted_callers = excepted.iter().copied().collect();
        fixture.directory.change_tenant(fixture.tenant, |tenant| {
            tenant.secrets_blocked = Some(SecretsBlocked {
                apps_since,
                excepted_callers,
            });
        });
    };
    let add = async || fixture.add_password(&bearer, "a").await.status;
    blocked(None, &[]);
    assert_eq!(add().await, 400);
    let uri = "/v1.0/policies/defaultAppManagementPolicy";
    let policy = ask(
        &fixture.graph,
        "GET",
        uri,
        &[("authorization", &bearer)],
        "",
    )
    .await;
    let policy = policy.json();
    let restriction = &policy["applicationRestrictions"]["passwordCredentials"][0];
    assert_eq!(restriction["restrictionType"], "passwordAddition");
    assert_eq!(restriction["excludeActors"], Value::Null);
    blocked(
        Some(fixture.clock.now() + SignedDuration::from_hours(1)),
        &[],
    );
    assert_eq!(add().await, 200, "the app is older");
    blocked(None, &[fixture.rotator.service_principal_id]);
    assert_eq!(add().await, 200, "it is excepted");
    blocked(None, &[]);
    fixture.directory.change(fixture.app.app_id, |app| {
        app.max_secret_lifetime = Some(SignedDuration::from_hours(740 * 24));
    });
    assert_eq!(add().await, 400, "its own policy does not say");
    fixture.directory.change(fixture.app.app_id, |app| {
        app.secrets_blocked = Some(false);
    });
    assert_eq!(add().await, 200, "its own policy allows them");
}
