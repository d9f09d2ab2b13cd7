//! What an administrator's command line does with app registrations.

use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, PASSWORD, ask};
use crate::microsoft::directory::account::Person;
use crate::microsoft::graph::registering::GRAPH_PRINCIPAL;

const ALL: [&str; 2] = [
    "Application.ReadWrite.All",
    "AppRoleAssignment.ReadWrite.All",
];

/// Somebody with an Azure CLI.
struct CommandLine {
    fixture: Fixture,
    bearer: String,
}

impl CommandLine {
    fn new(scopes: &[&str]) -> Self {
        let fixture = Fixture::new();
        let person = Person::with_mailbox("admin@shop.example", PASSWORD);
        let person = fixture.directory.add_account(fixture.tenant, person);
        let token = fixture.directory.token_of_a_command_line(person, scopes);
        let bearer = format!("Bearer {token}");
        Self { fixture, bearer }
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Answer {
        let headers = [("authorization", self.bearer.as_str())];
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let path = format!("/v1.0/{path}");
        ask(&self.fixture.graph, method, &path, &headers, body).await
    }
}

#[tokio::test]
async fn an_app_is_made_signs_in_once_it_has_a_principal_and_is_gone_when_purged() {
    let cli = CommandLine::new(&ALL);
    let personal =
        json!({"displayName": "p", "signInAudience": "AzureADandPersonalMicrosoftAccount"});
    assert_eq!(cli.ask("POST", "applications", personal).await.status, 400);
    let body = json!({"displayName": "tried out 1", "tags": ["t"]});
    let made = cli.ask("POST", "applications", body).await;
    assert_eq!(made.status, 201);
    let (id, app_id) = (made.json()["id"].clone(), made.json()["appId"].clone());
    let (id, app_id) = (id.as_str().unwrap(), app_id.as_str().unwrap());
    let added = cli
        .ask(
            "POST",
            &format!("applications/{id}/addPassword"),
            Value::Null,
        )
        .await;
    let secret = added.json()["secretText"].as_str().unwrap().to_owned();
    let sign_in = async || {
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", app_id),
            ("client_secret", &secret),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        cli.fixture.token(&fields).await
    };
    assert_eq!(sign_in().await.code(), 700_016);
    let principal = cli
        .ask("POST", "servicePrincipals", json!({"appId": app_id}))
        .await;
    assert_eq!(principal.status, 201);
    assert_eq!(sign_in().await.status, 200);
    let named = "applications?$filter=startswith(displayName,'tried')&$select=id,tags";
    let listed = cli.ask("GET", named, Value::Null).await.json();
    assert_eq!(listed["value"], json!([{"id": id, "tags": ["t"]}]));
    assert_eq!(
        cli.ask("DELETE", &format!("applications/{id}"), Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        cli.ask("GET", named, Value::Null).await.json()["value"],
        json!([])
    );
    let principal = principal.json()["id"].as_str().unwrap().to_owned();
    for (kind, id) in [("application", id), ("servicePrincipal", &principal)] {
        let path = format!("directory/deletedItems/microsoft.graph.{kind}");
        let listed = cli.ask("GET", &path, Value::Null).await.json();
        assert_eq!(listed["value"][0]["id"], id, "{kind}");
        let gone = format!("directory/deletedItems/{id}");
        assert_eq!(cli.ask("DELETE", &gone, Value::Null).await.status, 204);
        assert_eq!(
            cli.ask("GET", &path, Value::Null).await.json()["value"],
            json!([])
        );
        assert_eq!(cli.ask("DELETE", &gone, Value::Null).await.status, 404);
    }
}

#[tokio::test]
async fn roles_and_owners_are_for_administrators_to_give() {
    for (scopes, status) in [(&ALL[..], 201), (&ALL[..1], 403)] {
        let cli = CommandLine::new(scopes);
        let rotator = cli.fixture.rotator.service_principal_id;
        let role = json!({"principalId": rotator, "resourceId": GRAPH_PRINCIPAL,
            "appRoleId": "18a4783c-866b-4cc7-a460-3d5e5662c884"});
        let path = format!("servicePrincipals/{rotator}/appRoleAssignments");
        assert_eq!(
            cli.ask("POST", &path, role).await.status,
            status,
            "{scopes:?}"
        );
    }
    let cli = CommandLine::new(&ALL);
    let other = cli
        .ask("POST", "applications", json!({"displayName": "other"}))
        .await
        .json();
    let path = format!(
        "/v1.0/applications/{}/owners/$ref",
        other["id"].as_str().unwrap()
    );
    let rotator = cli.fixture.rotator.service_principal_id;
    let body = json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{rotator}")});
    let as_rotator = cli.fixture.rotator_bearer().await;
    for (bearer, status) in [(&as_rotator, 403), (&cli.bearer, 204)] {
        let headers = [("authorization", bearer.as_str())];
        let answer = ask(
            &cli.fixture.graph,
            "POST",
            &path,
            &headers,
            body.to_string(),
        )
        .await;
        assert_eq!(answer.status, status);
    }
}
