//! What a rotation needs of others: a dry run says what is missing with the command that grants it, and a check finds it
//! months before the renewal that would fail by it.

mod broken;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use simulators::aws::secrets_manager::RotationRules;
use simulators::gate::{Calls, Fault};
use simulators::microsoft::directory::account::SecretsBlocked;
use simulators::microsoft::directory::application::Audience;
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::scenario::{days, ending_in, without_grant};
use broken::{BROKEN, Broken};

/// At rest, as most mailboxes are on most days, and looked at as the template has it: deeply once a day.
async fn at_rest(plan: &MailboxPlan) -> Scenario {
    let schedule = [("CHECK_SCHEDULE", "rate(6 hours)")];
    let scenario = Scenario::with_settings(&schedule, plan).await;
    set_backstop(&scenario, 180);
    // The first looks note what later ones go by.
    for _ in 0..2 {
        scenario.check().await;
        six_hours_later(&scenario);
    }
    scenario
}

/// Secrets Manager rotates by itself after so many days: of a client secret that ends in 200, 180 are right.
fn set_backstop(scenario: &Scenario, days: i64) {
    let rules = Some(RotationRules::every_days(days));
    let rotation = simulators::aws::lambda::function_arn("rotation");
    let store = &scenario.world.secrets_manager;
    store
        .set_rotation(&scenario.mailbox.secret, &rotation, rules)
        .unwrap();
}

fn six_hours_later(scenario: &Scenario) {
    scenario.world.clock.advance(SignedDuration::from_hours(6));
}

async fn dry_run(scenario: &Scenario) -> Value {
    let world = &scenario.world;
    let event = json!({"dry_run": true, "time": world.clock.now()});
    let answer = world.invoke("expiry-checker", &event).await.unwrap();
    assert_eq!(answer.function_error, None, "{}", answer.payload);
    answer.payload
}

fn rows(answer: &Value) -> Vec<Value> {
    let rows = &answer["secrets"][0]["preflight"];
    rows.as_array()
        .unwrap_or_else(|| panic!("{answer}"))
        .clone()
}

/// The codes of the rows that are so.
fn that_are(rows: &[Value], seen: &Value) -> BTreeSet<String> {
    let rows = rows.iter().filter(|row| row["seen"] == *seen);
    let code = |row: &Value| row["requirement"].as_str().unwrap().to_owned();
    rows.map(code).collect()
}

fn codes(codes: &[&str]) -> BTreeSet<String> {
    codes.iter().map(|code| (*code).to_owned()).collect()
}

fn not_visible(permission: &str) -> Value {
    json!({"not_visible": {"permission": permission}})
}

/// The renewal of a client secret that ends then.
fn renewal(scenario: &Scenario) -> Timestamp {
    let key = scenario.current_key();
    let credentials = scenario.credentials();
    let current = credentials.iter().find(|c| c.key_id == key).unwrap();
    current.end - days(30)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_mailbox_that_lacks_nothing_all_is_present_but_what_nobody_let_the_rotator_see() {
    let scenario = at_rest(&ending_in(200)).await;
    let answer = dry_run(&scenario).await;
    let rows = rows(&answer);
    assert_eq!(that_are(&rows, &json!("missing")), codes(&[]));
    assert_eq!(that_are(&rows, &json!("not_seen")), codes(&[]));
    let present = codes(&[
        "backstop",
        "contact",
        "delegated_permission",
        "end_known",
        "owners_grant",
        "redirect_uri",
        "room_for_secret",
        "rotation_on",
        "rotator_owns_app",
        "rotator_role",
        "shop",
        "shopctrl_login",
    ]);
    assert_eq!(that_are(&rows, &json!("present")), present);
    let hidden = that_are(&rows, &not_visible("Policy.Read.All"));
    assert_eq!(hidden, codes(&["secrets_allowed", "lifetime_allowed"]));
    // What lets it be seen is named once, with the rotator's own id, and what is there has no command.
    let table = answer["table"].to_string();
    let rotator = scenario.world.rotator().app_id.to_string();
    assert!(
        table.contains("not visible without Policy.Read.All"),
        "{table}"
    );
    assert!(
        table.contains(&rotator) && !table.contains("MISSING"),
        "{table}"
    );
    let with_command = rows.iter().filter(|row| row.get("command").is_some());
    assert_eq!(with_command.count(), 2);
    assert_eq!(scenario.told().get("Drift Found"), None);
    // A check of the schedule answers none of it.
    let checked = scenario.world.check().await.unwrap().payload;
    assert_eq!(checked["secrets"][0].get("preflight"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_the_one_row_with_its_command_and_drift_with_its_date_until_it_is_mended()
 {
    for broken in BROKEN {
        let Broken { row, drift, .. } = broken;
        let scenario = at_rest(&broken.plan()).await;
        (broken.breaks)(&scenario);
        let answer = dry_run(&scenario).await;
        let rows = rows(&answer);
        assert_eq!(
            that_are(&rows, &json!("missing")),
            codes(&[row]),
            "{answer}"
        );
        let missing: Vec<&Value> = rows.iter().filter(|r| r["seen"] == "missing").collect();
        for needle in (broken.command)(&scenario) {
            let command = missing[0]["command"].as_str().unwrap();
            assert!(command.contains(&needle), "{row}: {command}");
            assert!(
                answer["table"]
                    .to_string()
                    .contains(&needle.replace('"', "\\\"")),
                "{row}"
            );
        }
        assert_eq!(
            scenario.details("Drift Found"),
            Vec::<Value>::new(),
            "{row}"
        );

        // Two checks see it, and people hear of it once.
        for _ in 0..6 {
            scenario.check().await;
            six_hours_later(&scenario);
        }
        let told = scenario.details("Drift Found");
        let Some(drift) = drift else {
            assert_eq!(told, Vec::<Value>::new(), "{row}");
            continue;
        };
        assert_eq!(told.len(), 1, "{row}: {told:?}");
        let told = &told[0];
        assert_eq!(
            (&told["what"], &told["mail"]),
            (&json!(drift), &json!("flows"))
        );
        let matters_from: Timestamp = told["matters_from"].as_str().unwrap().parse().unwrap();
        let differs = matters_from.duration_since(renewal(&scenario)).abs();
        assert!(
            differs < SignedDuration::from_secs(1),
            "{row}: {matters_from}"
        );
        assert!(
            matters_from > scenario.world.clock.now() + days(60),
            "{row}"
        );

        (broken.mends)(&scenario);
        scenario.check().await;
        let over = scenario.details("Mailbox Recovered");
        assert_eq!(over.len(), 1, "{row}: {over:?}");
        assert_eq!(over[0]["what"], json!(drift), "{row}");
        six_hours_later(&scenario);
        scenario.check().await;
        let fine = dry_run(&scenario).await;
        assert_eq!(
            that_are(&self::rows(&fine), &json!("missing")),
            codes(&[]),
            "{row}"
        );
        let told = scenario.told();
        assert_eq!(
            told.get("Rotation Failed").or(told.get("Rotation Stalled")),
            None,
            "{told:?}"
        );
        scenario.assert_whole();
        scenario.assert_events_keep_their_schemas();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ownership_that_was_taken_away_is_told_months_before_the_renewal_that_would_fail_by_it() {
    for shows_owners in [true, false] {
        // Graph shows the rotator the app registration all the same: nothing else would fail until then.
        let scenario = at_rest(&ending_in(200)).await;
        let graph = |habits: &mut simulators::microsoft::directory::GraphHabits| {
            habits.owned_by_reads_all = true;
        };
        scenario.world.directory.set_graph_habits(graph);
        scenario.change_app(|app| app.owners.clear());
        if !shows_owners {
            let denied = Fault::Answer {
                effect: false,
                status: 403,
                headers: vec![("content-type".to_owned(), "application/json".to_owned())],
                body: r#"{"error": {"code": "Authorization_RequestDenied"}}"#.to_owned(),
            };
            let calls = Calls::of("graph", "GET owners").times(100);
            scenario.world.gate.fail(calls, denied);
        }
        let began = scenario.world.clock.now();
        for _ in 0..2 {
            scenario.check().await;
            six_hours_later(&scenario);
        }
        let told = scenario.details("Drift Found");
        assert_eq!(told.len(), 1, "the second check tells it");
        assert_eq!(told[0]["what"], "rotator_is_no_owner");
        let matters_from: Timestamp = told[0]["matters_from"].as_str().unwrap().parse().unwrap();
        assert!(matters_from > began + days(160), "{matters_from}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_light_look_sees_that_there_is_no_room_at_the_next_check_without_a_call_more() {
    let scenario = at_rest(&ending_in(200)).await;
    // The day's deep look is over, so what follows is light.
    for _ in 0..4 {
        scenario.check().await;
        six_hours_later(&scenario);
        scenario.world.gate.clear();
        scenario.check().await;
        let calls = scenario.world.gate.operations();
        let is_light = !calls.contains(&"secretsmanager GetSecretValue".to_owned())
            && !calls
                .iter()
                .any(|call| call.contains("BatchGetSecretValue"));
        if is_light {
            break;
        }
    }
    let graph = |calls: Vec<String>| {
        let graph = calls.into_iter().filter(|call| call.starts_with("graph"));
        graph.collect::<Vec<_>>()
    };
    let light = graph(scenario.world.gate.operations());
    assert_eq!(
        light,
        ["graph GET ownedObjects"],
        "a light look is one call"
    );
    scenario.change_app(|app| app.sign_in_audience = Audience::AnyAndPersonal);
    six_hours_later(&scenario);
    scenario.check().await;
    let noted = scenario.secret().tags["shopmail:drift"].clone();
    assert!(noted.starts_with('+'), "seen once: {noted}");
    six_hours_later(&scenario);
    scenario.check().await;
    assert_eq!(
        scenario.details("Drift Found")[0]["what"],
        "no_room_for_a_client_secret"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_permission_to_be_seen_is_never_missing_without_it() {
    let scenario = at_rest(&ending_in(200)).await;
    let directory = &scenario.world.directory;
    let blocked = |excepted: &[uuid::Uuid]| {
        let excepted_callers = excepted.iter().copied().collect();
        directory.change_tenant(scenario.world.tenant(), |tenant| {
            tenant.secrets_blocked = Some(SecretsBlocked {
                apps_since: None,
                excepted_callers,
            });
        });
    };
    let permit = |permissions: &[&str]| {
        directory.change(scenario.world.rotator().app_id, |app| {
            let more = permissions.iter().map(|name| (*name).to_owned());
            app.app_roles.extend(more);
        });
    };
    let policies = codes(&["secrets_allowed", "lifetime_allowed"]);
    let one = codes(&["secrets_allowed"]);
    let seen = async |row: &Value| that_are(&rows(&dry_run(&scenario).await), row);
    blocked(&[]);
    assert_eq!(seen(&not_visible("Policy.Read.All")).await, policies);
    permit(&["Policy.Read.All"]);
    assert_eq!(seen(&not_visible("Application.Read.All")).await, policies);
    permit(&["Application.Read.All"]);
    assert_eq!(seen(&json!("missing")).await, one);
    // The fleet's way out: whom the policy excepts is not for everybody to see.
    blocked(&[scenario.world.rotator().service_principal_id]);
    assert_eq!(seen(&json!("not_told")).await, one);
    let some_checks = async || {
        for _ in 0..4 {
            scenario.check().await;
            six_hours_later(&scenario);
        }
    };
    some_checks().await;
    assert_eq!(scenario.told().get("Drift Found"), None);
    // And where it was told before, it is over by that.
    blocked(&[]);
    some_checks().await;
    assert_eq!(scenario.told().get("Drift Found"), Some(&1));
    blocked(&[scenario.world.rotator().service_principal_id]);
    some_checks().await;
    assert_eq!(scenario.told().get("Mailbox Recovered"), Some(&1));
    scenario.rotate().await;
    assert_eq!(scenario.failures(), Vec::<String>::new(), "it is excepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_answer_is_not_seen_and_no_drift() {
    let scenario = at_rest(&ending_in(200)).await;
    let down = Fault::Reset { effect: false };
    let calls = Calls::of("graph", "*").times(10_000);
    scenario.world.gate.fail(calls, down);
    let rows = rows(&dry_run(&scenario).await);
    assert_eq!(that_are(&rows, &json!("missing")), codes(&[]), "{rows:?}");
    for _ in 0..2 {
        scenario.world.check().await.unwrap();
        six_hours_later(&scenario);
    }
    assert_eq!(scenario.told().get("Drift Found"), None);
    scenario.world.gate.heal();
    scenario.check().await;
    assert_eq!(scenario.told().get("Mailbox Recovered"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_that_are_throttled_are_not_seen_and_asked_for_once() {
    let scenario = at_rest(&ending_in(200)).await;
    let rotator = scenario.world.rotator().app_id;
    scenario.world.directory.change(rotator, |app| {
        app.app_roles.insert("Policy.Read.All".to_owned());
    });
    let throttled = Fault::Answer {
        effect: false,
        status: 503,
        headers: Vec::new(),
        body: String::new(),
    };
    scenario
        .world
        .gate
        .fail(Calls::of("graph", "POST $batch").times(100), throttled);
    scenario.world.gate.clear();
    let rows = rows(&dry_run(&scenario).await);
    let policies = codes(&["secrets_allowed", "lifetime_allowed"]);
    assert_eq!(that_are(&rows, &json!("not_seen")), policies);
    let calls = scenario.world.gate.operations();
    let asked = calls.iter().filter(|call| *call == "graph POST $batch");
    assert_eq!(asked.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_told_is_not_over_while_nobody_can_see_it_and_is_told_once() {
    let scenario = at_rest(&ending_in(200)).await;
    let rotator = scenario.world.rotator().app_id;
    let permit = |roles: &[&str]| {
        let roles = roles.iter().map(|role| (*role).to_owned()).collect();
        scenario
            .world
            .directory
            .change(rotator, |app| app.app_roles = roles);
    };
    let block = |blocked: bool| {
        let directory = &scenario.world.directory;
        directory.change_tenant(scenario.world.tenant(), |tenant| {
            tenant.secrets_blocked = blocked.then(|| SecretsBlocked {
                apps_since: None,
                excepted_callers: [].into(),
            });
        });
    };
    let some_checks = async || {
        for _ in 0..6 {
            scenario.check().await;
            six_hours_later(&scenario);
        }
    };
    let owned_by = "Application.ReadWrite.OwnedBy";
    let seeing = [owned_by, "Policy.Read.All", "Application.Read.All"];
    permit(&seeing);
    block(true);
    some_checks().await;
    assert_eq!(scenario.told().get("Drift Found"), Some(&1));
    permit(&[owned_by]);
    some_checks().await;
    assert_eq!(scenario.told().get("Mailbox Recovered"), None);
    permit(&seeing);
    some_checks().await;
    assert_eq!(scenario.told().get("Drift Found"), Some(&1));
    block(false);
    some_checks().await;
    assert_eq!(scenario.told().get("Mailbox Recovered"), Some(&1));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_signs_in_no_redirect_uri_is_missed() {
    let mut plan = ending_in(200);
    plan.document = |document| {
        for connection in document["connections"].as_array_mut().unwrap() {
            connection["proof"] = "shopctrl".into();
        }
    };
    let scenario = at_rest(&plan).await;
    scenario.change_app(|app| app.redirect_uris.clear());
    let rows = rows(&dry_run(&scenario).await);
    assert_eq!(that_are(&rows, &json!("missing")), codes(&[]), "{rows:?}");
    let mut deep = 0;
    for _ in 0..4 {
        scenario.world.gate.clear();
        scenario.check().await;
        let calls = scenario.world.gate.operations();
        deep += usize::from(calls.iter().any(|call| call.contains("GetSecretValue")));
        six_hours_later(&scenario);
    }
    assert_eq!(scenario.told().get("Drift Found"), None);
    assert_eq!(deep, 1, "one deep look a day");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_system_nothing_is_visible_to_a_checker_that_knows_no_notifier() {
    let settings = [("NOTIFIER_FUNCTION", "")];
    let scenario = Scenario::with_settings(&settings, &ending_in(200)).await;
    let answer = dry_run(&scenario).await;
    let system = answer["preflight"].as_array().unwrap();
    let all = codes(&["topic_confirmed", "out_of_sandbox", "sender_verified"]);
    assert_eq!(that_are(system, &not_visible("lambda:InvokeFunction")), all);
    assert!(
        answer["table"].to_string().contains("the system:"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_test_goes_by_the_same_list() {
    let scenario = Scenario::with(&without_grant()).await;
    scenario.change_app(|app| {
        app.owners.clear();
        app.redirect_uris.clear();
    });
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationFailed"));
    let told = scenario.details("Rotation Failed").remove(0);
    assert!(
        told["what"].as_str().unwrap().contains("no owner"),
        "{told}"
    );
    let graph = |habits: &mut simulators::microsoft::directory::GraphHabits| {
        habits.owned_by_reads_all = true;
    };
    scenario.world.directory.set_graph_habits(graph);
    scenario.test_configuration().await;
    let told = scenario.details("Rotation Failed").remove(1);
    let what = told["what"].as_str().unwrap();
    assert!(
        what.contains("no owner") && what.contains("redirect URI"),
        "{what}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_test_right_after_somebody_mended_it_looks_again() {
    let scenario = Scenario::with(&without_grant()).await;
    let before = Fault::Odd(|registration| registration["web"]["redirectUris"] = json!([]));
    let first = Calls::of("graph", "GET application");
    scenario.world.gate.fail(first, before);
    let ended = scenario.test_configuration().await;
    assert_eq!(ended.as_deref(), Some("TestRotationSucceeded"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backstop_that_comes_too_early_is_a_row_with_the_days_that_are_right() {
    let scenario = Scenario::begin().await;
    scenario.rotate().await;
    set_backstop(&scenario, 100);
    let rows = rows(&dry_run(&scenario).await);
    assert_eq!(that_are(&rows, &json!("missing")), codes(&["backstop"]));
    let row = rows
        .iter()
        .find(|row| row["requirement"] == "backstop")
        .unwrap();
    let command = row["command"].as_str().unwrap();
    let (_, behind) = command.split_once("rate(").unwrap();
    let (advised, _) = behind.split_once(" days)").unwrap();
    set_backstop(&scenario, advised.parse().unwrap());
    let rows = self::rows(&dry_run(&scenario).await);
    assert_eq!(
        that_are(&rows, &json!("missing")),
        codes(&[]),
        "{advised} days"
    );
}

/// By code, how often.
type Counts = BTreeMap<String, usize>;

#[tokio::test(flavor = "multi_thread")]
async fn of_several_mailboxes_each_has_its_own_rows_and_what_is_not_visible_is_said_once() {
    let scenario = at_rest(&ending_in(200)).await;
    let beside = scenario.beside(&MailboxPlan {
        name: "returns".to_owned(),
        address: "returns@shop.example".to_owned(),
        shop_id: 13,
        ends_in: days(200),
        ..MailboxPlan::default()
    });
    set_backstop(&beside, 180);
    beside.change_app(|app| app.redirect_uris.clear());
    let answer = dry_run(&scenario).await;
    let mut missing = Counts::new();
    for secret in answer["secrets"].as_array().unwrap() {
        let rows = secret["preflight"].as_array().unwrap();
        let count = that_are(rows, &json!("missing")).len();
        missing.insert(secret["secret"].as_str().unwrap().to_owned(), count);
    }
    let orders = ("shopmail/orders".to_owned(), 0);
    let returns = ("shopmail/returns".to_owned(), 1);
    assert_eq!(missing, [orders, returns].into());
    let table: Vec<&str> = answer["table"]
        .as_array()
        .unwrap()
        .iter()
        .map(|l| l.as_str().unwrap())
        .collect();
    let said = table.iter().filter(|line| line.contains("Policy.Read.All"));
    let said: Vec<&&str> = said.collect();
    assert_eq!(said.len(), 1, "{table:#?}");
    assert!(said[0].ends_with("(mailbox secrets: 2)"), "{table:#?}");
    assert_eq!(
        table.iter().filter(|line| line.contains("MISSING")).count(),
        1
    );
}
