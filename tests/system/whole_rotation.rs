//! From a secret that nears its end to the old one retired.

use jiff::SignedDuration;
use serde_json::json;
use shared::short_hash::short_hash;
use simulators::world::{MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key, tag};
use crate::events::{assert_events_keep_their_schemas, told};
use crate::steps::rotate;

pub fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_near_its_end_is_renewed_and_the_old_one_retired_after_its_quarantine() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let has_first = || {
        let credentials = world.directory.credentials(mailbox.app.app_id);
        credentials.iter().any(|c| c.key_id == mailbox.first_key)
    };
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_whole(&world, &mailbox);
    let key = current_key(&world, &mailbox);
    assert_ne!(key, mailbox.first_key);
    let renewed = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let current = renewed.labelled("AWSCURRENT").unwrap().id.clone();
    assert_eq!(
        tag(&world, &mailbox, "shopmail:rotated-version"),
        Some(current)
    );
    assert_eq!(
        tag(&world, &mailbox, "shopmail:state").as_deref(),
        Some("rotated")
    );

    world.clock.advance(days(6));
    world.check().await.unwrap();
    assert!(has_first(), "in quarantine");
    world.clock.advance(days(2));
    world.check().await.unwrap();
    assert!(!has_first(), "retired");
    world.clock.advance(SignedDuration::from_hours(6));
    world.check().await.unwrap();
    assert_whole(&world, &mailbox);
    assert_eq!(current_key(&world, &mailbox), key, "and not rotated again");
    assert_events_keep_their_schemas(&world);
    let told = told(&world);
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
    let world = World::start(short_waits()).await.unwrap();
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
    let mailbox = world.add_mailbox(&plan).unwrap();
    rotate(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
    let key = current_key(&world, &mailbox);
    let credentials = world.directory.credentials(mailbox.app.app_id);
    let issued = credentials.iter().find(|c| c.key_id == key).unwrap();
    let name = issued.display_name.clone().unwrap();
    let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
    let token = &secret.labelled("AWSCURRENT").unwrap().id;
    let suffix = mailbox.arn.rsplit('-').next().unwrap();
    let hash = short_hash(&mailbox.arn);
    let wanted = format!("smr2/{suffix}.{hash}/{token} {long}");
    assert_eq!(name, wanted.chars().take(90).collect::<String>());
    let life = issued.end.duration_since(world.clock.now());
    assert!(
        life > days(90) - SignedDuration::from_mins(5) && life <= days(90),
        "{life}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_managers_own_schedule_is_a_backstop_without_the_checker() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let end = world.clock.now() + days(300);
    world
        .directory
        .set_secret_end(mailbox.app.app_id, mailbox.first_key, end);
    // The checks find nothing due; what they keep alive is the grant, which 90 idle days would end.
    for _ in 0..8 {
        assert_eq!(world.secrets_manager.run_due(), Vec::<String>::new());
        world.check().await.unwrap();
        world.clock.advance(days(20));
    }
    world.clock.advance(days(1));
    assert_eq!(world.secrets_manager.run_due().len(), 1, "after 160 days");
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rotation_token_is_handed_back_to_secrets_manager() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world
        .secrets_manager
        .configure(|settings| settings.send_rotation_token = true);
    rotate(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
    let puts = world.gate.calls();
    let put = puts.iter().find(|call| {
        call.operation == "PutSecretValue"
            && String::from_utf8_lossy(&call.body).contains("AWSPENDING")
    });
    let body: serde_json::Value = serde_json::from_slice(&put.unwrap().body).unwrap();
    assert!(body["RotationToken"].is_string(), "passed through");
}
