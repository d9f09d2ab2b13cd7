//! From a secret that nears its end to the old one retired.

use jiff::SignedDuration;
use simulators::world::{MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key};

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_near_its_end_is_renewed_and_the_old_one_retired_after_its_quarantine() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let checked = world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
    for line in world.lambda.logs() {
        println!("{}: {}", line.function, line.line);
    }
    println!("{:#}", checked.payload);
    println!("{:#?}", world.secrets_manager.records());
    assert_whole(&world, &mailbox);
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
    world.clock.advance(days(8));
    world.check().await.unwrap();
    let left = world.directory.credentials(mailbox.app.app_id);
    assert!(
        !left.iter().any(|c| c.key_id == mailbox.first_key),
        "retired"
    );
    assert_whole(&world, &mailbox);
}
