//! Every step may run again after any earlier run of it, in a new process, hours later.

use crate::support::Scenario;
use crate::support::steps::{STEPS, TOKEN};

#[tokio::test(flavor = "multi_thread")]
async fn each_step_three_times_in_a_row_ends_as_once() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    let before = scenario.credentials().len();
    for name in STEPS {
        for _ in 0..3 {
            scenario.take_step(name, TOKEN).await;
        }
    }
    scenario.assert_whole();
    let after = scenario.credentials().len();
    assert_eq!(after, before + 1, "no second credential");
    assert_eq!(
        scenario.details("Authorization Required"),
        Vec::<serde_json::Value>::new()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_steps_again_after_success_change_nothing() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    for name in STEPS {
        scenario.take_step(name, TOKEN).await;
    }
    let key = scenario.current_key();
    let values = scenario.world.secrets_manager.stored_values();
    let rotated = scenario.details("Client Secret Rotated");
    for name in STEPS {
        // In a new process.
        scenario.world.lambda.kill_all();
        scenario.take_step(name, TOKEN).await;
    }
    assert_eq!(scenario.current_key(), key);
    assert_eq!(
        scenario.world.secrets_manager.stored_values(),
        values,
        "nothing was stored"
    );
    assert_eq!(
        scenario.details("Client Secret Rotated"),
        rotated,
        "told once"
    );
    scenario.assert_whole();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_rotation_begins_where_the_first_ended() {
    let scenario = Scenario::begin().await;
    let mut keys = vec![scenario.mailbox.first_key];
    for _ in 0..3 {
        scenario.rotate().await;
        scenario.assert_whole();
        let key = scenario.current_key();
        assert!(!keys.contains(&key), "a new credential each time");
        keys.push(key);
    }
    let credentials = scenario.credentials();
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
        let scenario = Scenario::begin().await;
        let before = scenario.credentials().len();
        for name in STEPS {
            scenario.world.secrets_manager.deliver_twice(name, delivery);
        }
        scenario.rotate().await;
        // What the slower twin left, if anything, the next check removes.
        scenario.check().await;
        scenario.assert_whole();
        let after = scenario.credentials().len();
        assert_eq!(
            after,
            before + 1,
            "one new credential, the old in quarantine"
        );
    }
}
