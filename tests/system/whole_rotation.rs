//! From a secret that nears its end to the old one retired.

use jiff::SignedDuration;
use serde_json::json;
use shared::short_hash::short_hash;
use simulators::microsoft::directory::application::NewSecret;
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::scenario::days;

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_near_its_end_is_renewed_and_the_old_one_retired_after_its_quarantine() {
    let scenario = Scenario::begin().await;
    let has_first = || {
        let credentials = scenario.credentials();
        credentials
            .iter()
            .any(|c| c.key_id == scenario.mailbox.first_key)
    };
    scenario.check().await;
    scenario.assert_whole();
    let key = scenario.current_key();
    assert_ne!(key, scenario.mailbox.first_key);
    let renewed = scenario.secret();
    let current = renewed.labelled("AWSCURRENT").unwrap().id.clone();
    assert_eq!(scenario.tag("shopmail:rotated-version"), Some(current));
    assert_eq!(scenario.tag("shopmail:state").as_deref(), Some("rotated"));

    scenario.world.clock.advance(days(6));
    scenario.world.check().await.unwrap();
    assert!(has_first(), "in quarantine");
    scenario.world.clock.advance(days(2));
    scenario.world.check().await.unwrap();
    assert!(!has_first(), "retired");
    scenario.world.clock.advance(SignedDuration::from_hours(6));
    scenario.world.check().await.unwrap();
    scenario.assert_whole();
    assert_eq!(scenario.current_key(), key, "and not rotated again");
    scenario.assert_events_keep_their_schemas();
    let told = scenario.told();
    for (kind, times) in [
        ("Rotation Due", 1),
        ("Rotation Started", 1),
        ("Connection Delivered", 2),
        ("Client Secret Rotated", 1),
        ("Superseded Secret Ending", 1), // one that a person made, and may have given to others
        ("Credential Retired", 1),
    ] {
        assert_eq!(told.get(kind), Some(&times), "{kind}: {told:?}");
    }
    assert_eq!(told.get("Fleet Report"), Some(&4));
    assert_eq!(told.len(), 7, "and nothing else: {told:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_credential_carries_marker_description_and_lifetime_of_the_document() {
    let long =
        "a description that is much longer than what Graph keeps of the name of a credential";
    let plan = MailboxPlan {
        document: |document| {
            document["description"] = json!(
                "a description that is much longer than what Graph keeps of the name of a credential"
            );
            document["lifetime"] = json!("P90D");
        },
        ..MailboxPlan::default()
    };
    let scenario = Scenario::with(&plan).await;
    scenario.rotate().await;
    scenario.assert_whole();
    let key = scenario.current_key();
    let credentials = scenario.credentials();
    let issued = credentials.iter().find(|c| c.key_id == key).unwrap();
    let name = issued.display_name.clone().unwrap();
    let secret = scenario.secret();
    let token = &secret.labelled("AWSCURRENT").unwrap().id;
    let suffix = scenario.mailbox.arn.rsplit('-').next().unwrap();
    let hash = short_hash(&scenario.mailbox.arn);
    let wanted = format!("smr2/{suffix}.{hash}/{token} {long}");
    assert_eq!(name, wanted.chars().take(90).collect::<String>());
    let life = issued.end.duration_since(scenario.world.clock.now());
    assert!(
        life > days(90) - SignedDuration::from_mins(5) && life <= days(90),
        "{life}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_managers_own_schedule_is_a_backstop_without_the_checker() {
    let scenario = Scenario::begin().await;
    let end = scenario.world.clock.now() + days(300);
    scenario.world.directory.set_secret_end(
        scenario.mailbox.app.app_id,
        scenario.mailbox.first_key,
        end,
    );
    // The checks find nothing due; what they keep alive is the grant, which 90 idle days would end.
    for _ in 0..8 {
        assert_eq!(
            scenario.world.secrets_manager.run_due(),
            Vec::<String>::new()
        );
        scenario.world.check().await.unwrap();
        scenario.world.clock.advance(days(20));
    }
    scenario.world.clock.advance(days(1));
    assert_eq!(
        scenario.world.secrets_manager.run_due().len(),
        1,
        "after 160 days"
    );
    scenario.settled().await;
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotator_with_a_client_secret_of_its_own_signs_in_with_it_and_asks_aws_for_no_token() {
    let plan = MailboxPlan {
        document: |document| {
            document["rotator"]["kind"] = json!("secret");
            document["rotator"]["secret"] = json!("shopmail-rotator/agency");
        },
        ..MailboxPlan::default()
    };
    let scenario = Scenario::with(&plan).await;
    let world = &scenario.world;
    let rotator = world.rotator().app_id;
    let (_, value) = world
        .directory
        .add_secret(rotator, NewSecret::default())
        .unwrap();
    let value = json!({"client_secret": value}).to_string();
    let store = &world.secrets_manager;
    store
        .create("shopmail-rotator/agency", &value, &[])
        .unwrap();
    scenario.rotate().await;
    scenario.assert_whole();
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
    let asked = world.gate.calls();
    assert!(asked.iter().all(|call| call.service != "sts"));
}

/// No further than that: the simulated Entra is the global cloud's, and knows no other one's Graph.
#[tokio::test(flavor = "multi_thread")]
async fn in_each_cloud_the_role_may_ask_for_a_token_for_that_clouds_audience() {
    let (gov, china) = (
        "api://AzureADTokenExchangeUSGov",
        "api://AzureADTokenExchangeChina",
    );
    let in_cloud = |document| MailboxPlan {
        document,
        ..MailboxPlan::default()
    };
    let clouds = [
        (in_cloud(|it| it["cloud"] = json!("us-gov")), gov),
        (in_cloud(|it| it["cloud"] = json!("us-dod")), gov),
        (in_cloud(|it| it["cloud"] = json!("china")), china),
    ];
    for (plan, audience) in clouds {
        let scenario = Scenario::with(&plan).await;
        scenario.rotate().await;
        assert_eq!(scenario.world.iam.refused(), Vec::<String>::new());
        let calls = scenario.world.gate.calls();
        let asked = calls.iter().find(|call| call.service == "sts");
        let mut form = url::form_urlencoded::parse(&asked.unwrap().body);
        assert!(form.any(|(_, value)| value == audience), "{audience}");
        assert_eq!(asked.unwrap().status, Some(200));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rotation_token_is_handed_back_to_secrets_manager() {
    let scenario = Scenario::begin().await;
    scenario
        .world
        .secrets_manager
        .configure(|settings| settings.send_rotation_token = true);
    scenario.rotate().await;
    scenario.assert_whole();
    let puts = scenario.world.gate.calls();
    let put = puts.iter().find(|call| {
        call.operation == "PutSecretValue"
            && String::from_utf8_lossy(&call.body).contains("AWSPENDING")
    });
    let body: serde_json::Value = serde_json::from_slice(&put.unwrap().body).unwrap();
    assert!(body["RotationToken"].is_string(), "passed through");
}
