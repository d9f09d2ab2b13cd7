//! Secrets Manager runs testSecret alone when rotation is set up without rotating at once: a test of
//! the configuration, in both ways that are documented.

use simulators::aws::secrets_manager::{ConfigurationTest, PENDING};
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::end_state::keys;

/// Has Secrets Manager test the configuration, and says how that ended.
pub async fn test_configuration(world: &World, mailbox: &Mailbox) -> Option<String> {
    let body = serde_json::json!({
        "SecretId": mailbox.arn, "RotateImmediately": false,
        "RotationLambdaARN": simulators::aws::lambda::function_arn("rotation"),
        "RotationRules": {"AutomaticallyAfterDays": 160},
        "ClientRequestToken": "66666666-2222-4333-8444-555555555555",
    });
    let request = http::Request::post("/")
        .header("x-amz-target", "secretsmanager.RotateSecret")
        .header("content-type", "application/x-amz-json-1.1")
        .header("authorization", "AWS4-HMAC-SHA256 Credential=x/20261123/eu-west-1/secretsmanager/aws4_request, SignedHeaders=host, Signature=x")
        .body(bytes::Bytes::from(body.to_string()))
        .unwrap();
    let service = world
        .secrets_manager
        .service(std::sync::Arc::clone(&world.gate));
    let answer = service.call(request).await.unwrap();
    assert_eq!(answer.status(), 200, "{:?}", answer.body());
    world.secrets_manager.settled(&mailbox.secret).await;
    let records = world.secrets_manager.records();
    let ended = records
        .iter()
        .rev()
        .find(|record| record.event.starts_with("TestRotation"));
    ended.map(|record| record.event.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_configuration_passes_in_both_documented_ways_and_changes_nothing() {
    for mode in [ConfigurationTest::Empty, ConfigurationTest::CopyOfCurrent] {
        let world = World::start(short_waits()).await.unwrap();
        let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
        world
            .secrets_manager
            .configure(|settings| settings.configuration_test = mode);
        let before = keys(&world, &mailbox);
        let ended = test_configuration(&world, &mailbox).await;
        assert_eq!(ended.as_deref(), Some("TestRotationSucceeded"));
        assert_eq!(keys(&world, &mailbox), before, "nothing was issued");
        let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
        assert!(secret.labelled(PENDING).is_none());
        assert_eq!(world.shopctrl.outages(), vec![]);
        assert!(
            !world
                .gate
                .operations()
                .contains(&"shopctrl PUT connection".to_owned())
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_wrong_is_told_in_one_message() {
    let world = World::start(short_waits()).await.unwrap();
    let plan = MailboxPlan {
        document: |document| {
            document["key_id"] = "99999999-0000-4000-8000-000000000000".into();
            document["connections"][0]["shopctrl"]["shop_id"] = 999.into();
        },
        ..MailboxPlan::default()
    };
    let mailbox = world.add_mailbox(&plan).unwrap();
    let ended = test_configuration(&world, &mailbox).await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = world.event_bridge.details("Rotation Failed").remove(0);
    let what = told["what"].as_str().unwrap();
    assert!(
        what.contains("key_id") && what.contains("shop 999"),
        "{what}"
    );
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    assert!(secret.labelled(PENDING).is_none());
}
