use serde_json::{Value, json};

use crate::fixture::{Answer, Fixture, ask};
use crate::microsoft::directory::OwnedShown;
use crate::microsoft::directory::application::{AppIds, Registration};

/// One more app of the tenant, with this owner.
fn register(fixture: &Fixture, owner: Option<AppIds>) -> AppIds {
    let registration = Registration {
        owners: owner
            .map(|app| app.service_principal_id)
            .into_iter()
            .collect(),
        ..Registration::default()
    };
    fixture.directory.register(fixture.tenant, registration)
}

fn address(fixture: &Fixture, rest: &str) -> String {
    let rotator = fixture.rotator.app_id;
    format!("/v1.0/servicePrincipals(appId='{rotator}')/ownedObjects{rest}")
}

async fn get(fixture: &Fixture, bearer: &str, address: &str) -> Answer {
    ask(
        &fixture.graph,
        "GET",
        address,
        &[("authorization", bearer)],
        "",
    )
    .await
}

async fn batch(fixture: &Fixture, bearer: &str, requests: Value) -> Answer {
    let body = json!({"requests": requests}).to_string();
    let headers = [
        ("authorization", bearer),
        ("content-type", "application/json"),
    ];
    ask(&fixture.graph, "POST", "/v1.0/$batch", &headers, body).await
}

/// The apps of all pages.
async fn owned(fixture: &Fixture, bearer: &str, rest: &str) -> (Vec<Value>, usize) {
    let (mut all, mut pages) = (Vec::new(), 0);
    let mut next = Some(address(fixture, rest));
    while let Some(address) = next {
        let page = get(fixture, bearer, &address).await.json();
        all.extend(page["value"].as_array().unwrap().clone());
        let link = page["@odata.nextLink"].as_str();
        next = link.map(|link| link.replace("https://graph.microsoft.com", ""));
        pages += 1;
    }
    (all, pages)
}

#[tokio::test]
async fn a_rotator_is_shown_all_that_it_owns_a_hundred_a_page() {
    let fixture = Fixture::new();
    let (key, _) = fixture.secret();
    for _ in 0..200 {
        register(&fixture, Some(fixture.rotator));
    }
    let of_nobody = register(&fixture, None);
    let bearer = fixture.rotator_bearer().await;
    let (apps, pages) = owned(&fixture, &bearer, "").await;
    assert_eq!((apps.len(), pages), (201, 3));
    let ours = &apps[0];
    assert_eq!(ours["appId"], fixture.app.app_id.to_string());
    assert_eq!(ours["@odata.type"], "#microsoft.graph.application");
    assert_eq!(ours["passwordCredentials"][0]["keyId"], key.to_string());
    let foreign = of_nobody.app_id.to_string();
    assert!(!apps.iter().any(|app| app["appId"] == foreign));
    let few = owned(&fixture, &bearer, "?$top=999").await;
    assert_eq!((few.0.len(), few.1), (201, 1));
    let selected = "/microsoft.graph.application?$select=appId,passwordCredentials&$top=67";
    let (apps, pages) = owned(&fixture, &bearer, selected).await;
    assert_eq!((apps.len(), pages), (201, 3));
    assert_eq!(apps[200].as_object().unwrap().len(), 2, "{}", apps[200]);
}

#[tokio::test]
async fn what_is_not_shown_of_an_owned_app_is_null_and_other_objects_stand_beside_it() {
    let fixture = Fixture::new();
    fixture.secret();
    let bearer = fixture.rotator_bearer().await;
    let seen = async |shown| {
        fixture.directory.set_graph_habits(|habits| {
            habits.owned_shown = shown;
            habits.rotators_own_a_group = true;
        });
        let (objects, _) = owned(&fixture, &bearer, "").await;
        assert_eq!(objects[0]["@odata.type"], "#microsoft.graph.group");
        objects[1].clone()
    };
    let app = seen(OwnedShown::WithoutCredentials).await;
    assert_eq!(app["passwordCredentials"], Value::Null);
    assert_eq!(app["appId"], fixture.app.app_id.to_string());
    let app = seen(OwnedShown::IdAndType).await;
    assert_eq!(app["id"], fixture.app.object_id.to_string());
    assert_eq!(app["appId"], Value::Null);
    let (apps, _) = owned(&fixture, &bearer, "/microsoft.graph.application").await;
    assert_eq!(apps.len(), 1, "the cast leaves groups out");
}

#[tokio::test]
async fn without_a_role_nothing_is_listed_and_a_role_for_all_apps_owns_none() {
    let fixture = Fixture::new();
    let roles = |roles: &[&str]| {
        let roles = roles.iter().map(|&role| role.to_owned()).collect();
        fixture
            .directory
            .change(fixture.rotator.app_id, |app| app.app_roles = roles);
    };
    roles(&[]);
    let bearer = fixture.rotator_bearer().await;
    let refused = get(&fixture, &bearer, &address(&fixture, "")).await;
    assert_eq!(refused.status, 403);
    roles(&["Application.ReadWrite.All"]);
    fixture
        .directory
        .change(fixture.app.app_id, |app| app.owners.clear());
    let bearer = fixture.rotator_bearer().await;
    assert_eq!(owned(&fixture, &bearer, "").await.0, Vec::<Value>::new());
    let nobody =
        "/v1.0/servicePrincipals(appId='00000000-0000-4000-8000-000000000001')/ownedObjects";
    assert_eq!(get(&fixture, &bearer, nobody).await.status, 404);
}

#[tokio::test]
async fn each_request_of_a_batch_is_answered_by_itself() {
    let fixture = Fixture::new();
    let of_nobody = register(&fixture, None);
    let bearer = fixture.rotator_bearer().await;
    let read = |id: &str, app: AppIds| {
        let url = format!("/applications(appId='{}')?$select=appId", app.app_id);
        json!({"id": id, "method": "GET", "url": url})
    };
    let mut after = read("3", fixture.app);
    after["dependsOn"] = json!(["2"]);
    let requests = json!([read("1", fixture.app), read("2", of_nobody), after]);
    let answer = batch(&fixture, &bearer, requests).await;
    assert_eq!(answer.status, 200);
    let answers = answer.json();
    let status = |at: usize| answers["responses"][at]["status"].as_u64().unwrap();
    assert_eq!([status(0), status(1), status(2)], [200, 403, 424]);
    let first = &answers["responses"][0];
    assert_eq!(first["body"]["appId"], fixture.app.app_id.to_string());
    let code = &answers["responses"][1]["body"]["error"]["code"];
    assert_eq!(*code, "Authorization_RequestDenied");
    fixture
        .directory
        .set_graph_habits(|habits| habits.throttled_batch_items = 1);
    let requests = json!([read("a", fixture.app), read("b", fixture.app)]);
    let answers = batch(&fixture, &bearer, requests).await.json();
    assert_eq!(answers["responses"][0]["status"], 429);
    assert_eq!(answers["responses"][0]["headers"]["Retry-After"], "1");
    assert_eq!(answers["responses"][1]["status"], 200);
}

#[tokio::test]
async fn a_batch_has_twenty_requests_at_most_with_ids_of_their_own() {
    let fixture = Fixture::new();
    let bearer = fixture.rotator_bearer().await;
    let me = |id: usize| json!({"id": id.to_string(), "method": "GET", "url": "/me"});
    let many = |count: usize| Value::from_iter((0..count).map(me));
    assert_eq!(batch(&fixture, &bearer, many(20)).await.status, 200);
    assert_eq!(batch(&fixture, &bearer, many(21)).await.status, 400);
    assert_eq!(
        batch(&fixture, &bearer, json!([me(1), me(1)])).await.status,
        400
    );
    let body = json!({"requests": many(1)}).to_string();
    let unknown = ask(&fixture.graph, "POST", "/v1.0/$batch", &[], body).await;
    assert_eq!(unknown.status, 401);
}
