//! The old client secret of attended connections: kept until its own end, unless Entra shows it unused;
//! watched, and never ended in silence.

use simulators::world::{Mailbox, MailboxPlan, World};
use uuid::Uuid;

use crate::browser::Browser;
use crate::end_state::{current_key, keys};
use crate::events::assert_events_keep_their_schemas;
use crate::hand_over::{ASKED, attended, field, paste, reveal, say, waiting};
use crate::whose::check_daily;

/// A rotation handed over whole, in which the person pasted into these connections only, and said of
/// all that Status shows Authorized.
async fn handed_over(plan: &MailboxPlan, pasted: &[&str]) -> (World, Mailbox) {
    let (world, mailbox) = waiting(plan).await;
    let asks = world.event_bridge.details(ASKED);
    let mut browser = Browser::new(&world);
    let start = browser.open(asks[0]["link"].as_str().unwrap()).await;
    let sign_in = start.way_on().unwrap();
    let mut page = browser.sign_in_as_owner(&sign_in, &mailbox).await;
    for id in ["orders-in", "orders-out"] {
        let shown = reveal(&mut browser, &page).await;
        let secret = field(&shown, "client-secret").unwrap();
        if pasted.contains(&id) {
            paste(&world, &mailbox, id, &secret);
        }
        page = say(&mut browser, &shown, "authorized").await;
    }
    world.secrets_manager.settled(&mailbox.secret).await;
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
    (world, mailbox)
}

/// The rotator may read Entra's report of the credentials' use.
fn may_read_reports(world: &World) {
    let rotator = world.rotator().app_id;
    world.directory.change(rotator, |app| {
        app.app_roles.insert("AuditLog.Read.All".to_owned());
    });
}

fn drifts(world: &World) -> Vec<String> {
    let found = world.event_bridge.details("Drift Found");
    let what = found.iter().map(|drift| drift["what"].as_str().unwrap());
    what.map(str::to_owned).collect()
}

fn endings(world: &World) -> Vec<i64> {
    let told = world.event_bridge.details("Superseded Secret Ending");
    told.iter()
        .filter_map(|event| event["threshold_days"].as_i64())
        .collect()
}

fn has(world: &World, mailbox: &Mailbox, key: Uuid) -> bool {
    keys(world, mailbox).contains(&key)
}

const BOTH: [&str; 2] = ["orders-in", "orders-out"];

#[tokio::test(flavor = "multi_thread")]
async fn without_a_report_it_stays_to_its_end_which_is_told_at_each_threshold_of_the_last_week() {
    let (world, mailbox) = handed_over(&attended(), &BOTH).await;
    check_daily(&world, 12).await;
    assert_eq!(endings(&world), Vec::<i64>::new(), "8 days are left");
    check_daily(&world, 7).await;
    assert_eq!(endings(&world), vec![7, 3, 1], "each once");
    let told = world.event_bridge.details("Superseded Secret Ending");
    assert_eq!(
        told.len(),
        4,
        "and once as its quarantine began, for a person made it"
    );
    assert_eq!(told[0]["threshold_days"], serde_json::Value::Null);
    assert_eq!(told[0]["key_id"], mailbox.first_key.to_string());
    assert_eq!(told[0]["contact"], "owner@agency.example");
    assert_eq!(told[0]["connections"].as_array().unwrap().len(), 2);
    assert!(has(&world, &mailbox, mailbox.first_key), "to its very end");
    check_daily(&world, 2).await;
    assert!(
        !has(&world, &mailbox, mailbox.first_key),
        "and then it goes"
    );
    assert!(has(&world, &mailbox, mailbox.foreign_key));
    assert_eq!(endings(&world).len(), 3);
    assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_entra_shows_unused_since_the_hand_over_goes_after_its_quarantine_without_a_word()
{
    let (world, mailbox) = handed_over(&attended(), &BOTH).await;
    may_read_reports(&world);
    check_daily(&world, 6).await;
    assert!(has(&world, &mailbox, mailbox.first_key), "in quarantine");
    check_daily(&world, 2).await;
    assert!(!has(&world, &mailbox, mailbox.first_key), "unused");
    assert_eq!(endings(&world), Vec::<i64>::new());
    assert_eq!(drifts(&world), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_used_after_somebody_said_authorized_is_found_by_the_next_check_and_told_once()
{
    let (world, mailbox) = handed_over(&attended(), &["orders-out"]).await;
    may_read_reports(&world);
    check_daily(&world, 1).await;
    assert_eq!(drifts(&world), vec!["superseded_secret_in_use"]);
    check_daily(&world, 9).await;
    assert_eq!(drifts(&world).len(), 1, "told once");
    assert!(has(&world, &mailbox, mailbox.first_key), "it is in use");
    check_daily(&world, 9).await;
    assert_eq!(endings(&world), vec![7, 3, 1]);
    assert_events_keep_their_schemas(&world);
}
