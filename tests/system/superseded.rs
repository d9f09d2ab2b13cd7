//! The old client secret of attended connections: kept until its own end, unless Entra shows it unused;
//! watched, and never ended in silence.

use simulators::world::MailboxPlan;
use uuid::Uuid;

use crate::support::Scenario;
use crate::support::hand_over::{ASKED, attended, field, reveal, say};

/// A rotation handed over whole, in which the person pasted into these connections only, and said of
/// all that Status shows Authorized.
async fn handed_over(plan: &MailboxPlan, pasted: &[&str]) -> Scenario {
    let scenario = Scenario::waiting_for_hand_over(plan).await;
    let asks = scenario.details(ASKED);
    let mut visitor = scenario.visitor();
    let start = visitor.open(asks[0]["link"].as_str().unwrap()).await;
    let sign_in = start.way_on().unwrap();
    let mut page = visitor.sign_in_as_owner(&sign_in, &scenario.mailbox).await;
    for id in ["orders-in", "orders-out"] {
        let shown = reveal(&mut visitor, &page).await;
        let secret = field(&shown, "client-secret").unwrap();
        if pasted.contains(&id) {
            scenario.paste(id, &secret);
        }
        page = say(&mut visitor, &shown, "authorized").await;
    }
    scenario.settled().await;
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
    scenario
}

/// The rotator may read Entra's report of the credentials' use.
fn may_read_reports(scenario: &Scenario) {
    let rotator = scenario.world.rotator().app_id;
    scenario.world.directory.change(rotator, |app| {
        app.app_roles.insert("AuditLog.Read.All".to_owned());
    });
}

fn drifts(scenario: &Scenario) -> Vec<String> {
    let found = scenario.details("Drift Found");
    let what = found.iter().map(|drift| drift["what"].as_str().unwrap());
    what.map(str::to_owned).collect()
}

fn endings(scenario: &Scenario) -> Vec<i64> {
    let told = scenario.details("Superseded Secret Ending");
    told.iter()
        .filter_map(|event| event["threshold_days"].as_i64())
        .collect()
}

fn has(scenario: &Scenario, key: Uuid) -> bool {
    scenario.keys().contains(&key)
}

const BOTH: [&str; 2] = ["orders-in", "orders-out"];

#[tokio::test(flavor = "multi_thread")]
async fn without_a_report_it_stays_to_its_end_which_is_told_at_each_threshold_of_the_last_week() {
    let scenario = handed_over(&attended(), &BOTH).await;
    scenario.check_daily(12).await;
    assert_eq!(endings(&scenario), Vec::<i64>::new(), "8 days are left");
    scenario.check_daily(7).await;
    assert_eq!(endings(&scenario), vec![7, 3, 1], "each once");
    let told = scenario.details("Superseded Secret Ending");
    assert_eq!(
        told.len(),
        4,
        "and once as its quarantine began, for a person made it"
    );
    assert_eq!(told[0]["threshold_days"], serde_json::Value::Null);
    assert_eq!(told[0]["key_id"], scenario.mailbox.first_key.to_string());
    assert_eq!(told[0]["contact"], "owner@agency.example");
    assert_eq!(told[0]["connections"].as_array().unwrap().len(), 2);
    assert!(
        has(&scenario, scenario.mailbox.first_key),
        "to its very end"
    );
    scenario.check_daily(2).await;
    assert!(
        !has(&scenario, scenario.mailbox.first_key),
        "and then it goes"
    );
    assert!(has(&scenario, scenario.mailbox.foreign_key));
    assert_eq!(endings(&scenario).len(), 3);
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_entra_shows_unused_since_the_hand_over_goes_after_its_quarantine_without_a_word()
{
    let scenario = handed_over(&attended(), &BOTH).await;
    may_read_reports(&scenario);
    scenario.check_daily(6).await;
    assert!(has(&scenario, scenario.mailbox.first_key), "in quarantine");
    scenario.check_daily(2).await;
    assert!(!has(&scenario, scenario.mailbox.first_key), "unused");
    assert_eq!(endings(&scenario), Vec::<i64>::new());
    assert_eq!(drifts(&scenario), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_used_after_somebody_said_authorized_is_found_by_the_next_check_and_told_once()
{
    let scenario = handed_over(&attended(), &["orders-out"]).await;
    may_read_reports(&scenario);
    scenario.check_daily(1).await;
    assert_eq!(drifts(&scenario), vec!["superseded_secret_in_use"]);
    scenario.check_daily(9).await;
    assert_eq!(drifts(&scenario).len(), 1, "told once");
    assert!(has(&scenario, scenario.mailbox.first_key), "it is in use");
    scenario.check_daily(9).await;
    assert_eq!(endings(&scenario), vec![7, 3, 1]);
    scenario.assert_events_keep_their_schemas();
}
