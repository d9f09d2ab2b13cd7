//! Every step may run again after any earlier run of it, in a new process, hours later.

use simulators::world::{MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key};
use crate::steps::{STEPS, TOKEN, begin, rotate, step, succeeded};

#[tokio::test(flavor = "multi_thread")]
async fn each_step_three_times_in_a_row_ends_as_once() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    let before = world.directory.credentials(mailbox.app.app_id).len();
    for name in STEPS {
        for _ in 0..3 {
            succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
        }
    }
    assert_whole(&world, &mailbox);
    let after = world.directory.credentials(mailbox.app.app_id).len();
    assert_eq!(after, before + 1, "no second credential");
    assert_eq!(
        world.event_bridge.details("Authorization Required"),
        Vec::<serde_json::Value>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_steps_again_after_success_change_nothing() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    for name in STEPS {
        succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
    }
    let key = current_key(&world, &mailbox);
    let values = world.secrets_manager.stored_values();
    let rotated = world.event_bridge.details("Client Secret Rotated");
    for name in STEPS {
        // In a new process.
        world.lambda.kill_all();
        succeeded(name, &step(&world, &mailbox, name, TOKEN).await);
    }
    assert_eq!(current_key(&world, &mailbox), key);
    assert_eq!(
        world.secrets_manager.stored_values(),
        values,
        "nothing was stored"
    );
    assert_eq!(
        world.event_bridge.details("Client Secret Rotated"),
        rotated,
        "told once"
    );
    assert_whole(&world, &mailbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_rotation_begins_where_the_first_ended() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let mut keys = vec![mailbox.first_key];
    for _ in 0..3 {
        rotate(&world, &mailbox).await;
        assert_whole(&world, &mailbox);
        let key = current_key(&world, &mailbox);
        assert!(!keys.contains(&key), "a new credential each time");
        keys.push(key);
    }
    let credentials = world.directory.credentials(mailbox.app.app_id);
    for key in keys {
        assert!(
            credentials.iter().any(|c| c.key_id == key),
            "all are in quarantine yet"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_event_delivered_twice_at_once_makes_one_credential() {
    use simulators::aws::secrets_manager::Delivery;
    for delivery in [Delivery::TwiceInSequence, Delivery::TwiceAtOnce] {
        let world = World::start(short_waits()).await.unwrap();
        let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
        let before = world.directory.credentials(mailbox.app.app_id).len();
        for name in STEPS {
            world.secrets_manager.deliver_twice(name, delivery);
        }
        rotate(&world, &mailbox).await;
        // What the slower twin left, if anything, the next check removes.
        world.check().await.unwrap();
        world.secrets_manager.settled(&mailbox.secret).await;
        assert_whole(&world, &mailbox);
        let after = world.directory.credentials(mailbox.app.app_id).len();
        assert_eq!(
            after,
            before + 1,
            "one new credential, the old in quarantine"
        );
    }
}
