//! createSecret against what Entra, Graph and Secrets Manager do on bad days.

use simulators::gate::{Calls, Fault};
use simulators::microsoft::directory::application::Audience;
use simulators::world::MailboxPlan;

use crate::support::Scenario;
use crate::support::steps::TOKEN;

fn answer(effect: bool, status: u16, body: &str) -> Fault {
    Fault::Answer {
        effect,
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

/// Secrets Manager reattempts, then the schedule ticks.
async fn reattempt_and_check(scenario: &Scenario) {
    for _ in 0..2 {
        scenario
            .world
            .secrets_manager
            .reattempt(&scenario.mailbox.secret);
        scenario.settled().await;
    }
    scenario.check().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_store_fails_the_fresh_credential_is_removed() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    let denied = r#"{"__type":"AccessDeniedException","Message":"no"}"#;
    scenario.world.gate.fail_next(
        "secretsmanager",
        "PutSecretValue",
        answer(false, 400, denied),
    );
    let failed = scenario.step("createSecret", TOKEN).await;
    assert_eq!(
        failed.error_type(),
        Some("Misconfigured"),
        "{}",
        failed.payload
    );
    assert_eq!(scenario.keys().len(), 2, "removed");
    scenario.world.gate.fail(
        Calls::of("secretsmanager", "PutSecretValue").times(4),
        answer(false, 500, "{}"),
    );
    let failed = scenario.step("createSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Temporary"), "{}", failed.payload);
    assert_eq!(scenario.keys().len(), 2, "removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_answer_is_lost_is_seen_to_have_happened() {
    let scenario = Scenario::begin().await;
    scenario.begin_rotation(TOKEN);
    scenario.world.gate.fail(
        Calls::of("secretsmanager", "PutSecretValue").times(4),
        answer(true, 500, "{}"),
    );
    let done = scenario.step("createSecret", TOKEN).await;
    assert_eq!(done.function_error, None, "{}", done.payload);
    assert_eq!(scenario.orphans(), Vec::<uuid::Uuid>::new());
    assert_eq!(scenario.keys().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_becomes_of_add_password_no_orphan_is_left_and_the_rotation_ends() {
    let concurrency = r#"{"error":{"code":"Directory_ConcurrencyViolation","message":"x","innerError":{"date":"2026-03-29T13:23:55"}}}"#;
    for (name, fault) in [
        ("killed before", Fault::Kill { effect: false }),
        ("killed after", Fault::Kill { effect: true }),
        ("504 without effect", answer(false, 504, "")),
        ("504 with effect", answer(true, 504, "")),
        ("reset with effect", Fault::Reset { effect: true }),
        ("no answer", Fault::Hang { effect: true }),
        ("cut off", Fault::CutOff),
        ("not JSON", Fault::NotJson),
        ("409", answer(false, 409, concurrency)),
        ("503", answer(false, 503, concurrency)),
        ("400", answer(false, 400, concurrency)),
    ] {
        let scenario = Scenario::begin().await;
        scenario
            .world
            .gate
            .fail_next("graph", "POST addPassword", fault);
        scenario.rotate().await;
        reattempt_and_check(&scenario).await;
        println!("{name}");
        scenario.assert_whole();
        assert_ne!(scenario.current_key(), scenario.mailbox.first_key, "{name}");
        assert_eq!(
            scenario.keys().len(),
            3,
            "{name}: one new, one in quarantine, one foreign"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_the_tenant_shortens_the_lifetime_or_ends_the_rotation_with_advice() {
    let scenario = Scenario::begin().await;
    let limit = jiff::SignedDuration::from_hours(24 * 61);
    scenario.change_app(|app| app.max_secret_lifetime = Some(limit));
    scenario.rotate().await;
    scenario.assert_whole();
    let key = scenario.current_key();
    let credentials = scenario.credentials();
    let end = credentials.iter().find(|c| c.key_id == key).unwrap().end;
    assert!(end.duration_since(scenario.world.clock.now()) <= limit);

    scenario.change_app(|app| app.secrets_blocked = Some(true));
    scenario.begin_rotation(TOKEN);
    let failed = scenario.step("createSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Misconfigured"));
    assert!(
        failed.payload.to_string().contains("exempt"),
        "{}",
        failed.payload
    );
    let told = scenario.details("Rotation Failed");
    assert_eq!(told[0]["code"], "CredentialTypeNotAllowedAsPerAppPolicy");
}

/// A mailbox whose document leaves the lifetime to the delivery.
fn without_lifetime(delivery: &str) -> MailboxPlan {
    MailboxPlan {
        delivery: delivery.to_owned(),
        document: |document| {
            document.as_object_mut().unwrap().remove("lifetime");
        },
        ..MailboxPlan::default()
    }
}

/// For how many days the secret that a rotation issued is valid, begun days included.
fn lifetime_in_days(scenario: &Scenario) -> i64 {
    let known = [scenario.mailbox.first_key, scenario.mailbox.foreign_key];
    let mut credentials = scenario.credentials().into_iter();
    let issued = credentials.find(|c| !known.contains(&c.key_id)).unwrap();
    let hours = issued.end.duration_since(issued.start).as_hours();
    hours / 24 + 1
}

fn graph_calls(scenario: &Scenario, operation: &str) -> usize {
    let calls = scenario.world.gate.calls().into_iter();
    calls.filter(|call| call.operation == operation).count()
}

const DEFAULT_POLICY: &str = "GET defaultAppManagementPolicy";

#[tokio::test(flavor = "multi_thread")]
async fn a_document_without_lifetime_gets_the_longest_where_a_person_delivers_and_half_a_year_else()
{
    for (delivery, wanted) in [("attended", 730), ("api", 180)] {
        let scenario = Scenario::with(&without_lifetime(delivery)).await;
        scenario.rotate().await;
        assert_eq!(lifetime_in_days(&scenario), wanted, "{delivery}");
        assert_eq!(graph_calls(&scenario, "POST addPassword"), 1);
        assert_eq!(graph_calls(&scenario, DEFAULT_POLICY), 0, "not asked for");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_longest_lifetime_is_taken_to_the_day_where_the_rotator_may_read_the_policy() {
    let (by_ladder, to_the_day) = (270, 300);
    for (permissions, own_policy, wanted) in [
        (&[][..], false, by_ladder),
        (&["Policy.Read.All"], false, to_the_day),
        (&["Policy.Read.All"], true, by_ladder),
        (
            &["Policy.Read.All", "Application.Read.All"],
            true,
            to_the_day,
        ),
    ] {
        let scenario = Scenario::with(&without_lifetime("attended")).await;
        let directory = &scenario.world.directory;
        let longest = Some(jiff::SignedDuration::from_hours(24 * to_the_day));
        match own_policy {
            true => scenario.change_app(|app| app.max_secret_lifetime = longest),
            false => directory.set_longest_secret(scenario.world.tenant(), longest),
        }
        directory.change(scenario.world.rotator().app_id, |rotator| {
            let permissions = permissions.iter().map(|name| (*name).to_owned());
            rotator.app_roles.extend(permissions);
        });
        scenario.rotate().await;
        let case = format!("{permissions:?}, own policy: {own_policy}");
        assert_eq!(lifetime_in_days(&scenario), wanted, "{case}");
        assert_eq!(graph_calls(&scenario, DEFAULT_POLICY), 1, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_of_two_nothing_foreign_current_or_in_quarantine_is_removed() {
    let scenario = Scenario::begin().await;
    scenario.change_app(|app| {
        app.sign_in_audience = Audience::AnyAndPersonal;
    });
    scenario.begin_rotation(TOKEN);
    let failed = scenario.step("createSecret", TOKEN).await;
    assert_eq!(
        failed.error_type(),
        Some("Misconfigured"),
        "{}",
        failed.payload
    );
    let mut both = scenario.keys();
    both.sort();
    let mut wanted = vec![scenario.mailbox.first_key, scenario.mailbox.foreign_key];
    wanted.sort();
    assert_eq!(both, wanted);
    // Once a person has made room, it goes on; an orphan of a killed attempt makes room itself.
    scenario
        .world
        .directory
        .delete_secret(scenario.mailbox.app.app_id, scenario.mailbox.foreign_key);
    scenario
        .world
        .gate
        .fail_next("graph", "POST addPassword", Fault::Kill { effect: true });
    scenario.step("createSecret", TOKEN).await;
    assert_eq!(scenario.orphans().len(), 1);
    scenario
        .world
        .clock
        .advance(jiff::SignedDuration::from_mins(2));
    let done = scenario.step("createSecret", TOKEN).await;
    assert_eq!(done.function_error, None, "{}", done.payload);
    assert_eq!(scenario.orphans(), Vec::<uuid::Uuid>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_lag_and_disagree_are_waited_for() {
    use simulators::microsoft::directory::{Lag, Replica};
    let scenario = Scenario::begin().await;
    let lag = |millis| Replica {
        learns: Lag::Time(jiff::SignedDuration::from_millis(millis)),
        forgets: Lag::None,
    };
    scenario
        .world
        .directory
        .set_token_replicas(vec![lag(0), lag(300), lag(900)]);
    scenario
        .world
        .directory
        .set_graph_replicas(vec![lag(0), lag(1500)]);
    scenario.rotate().await;
    scenario.assert_whole();
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_forbids_client_secrets_is_told_with_advice_and_renewed_once_exempted() {
    let scenario = Scenario::begin().await;
    let forbid = |forbidden: bool| {
        scenario.change_app(|app| {
            app.secrets_blocked = forbidden.then_some(true);
        });
    };
    forbid(true);
    for _ in 0..2 {
        reattempt_and_check(&scenario).await;
    }
    let failed = scenario.details("Rotation Failed");
    assert_eq!(failed[0]["code"], "CredentialTypeNotAllowedAsPerAppPolicy");
    let advice = failed[0]["next_step"].as_str().unwrap();
    assert!(advice.contains("administrator has to exempt"), "{advice}");
    let told = scenario.told();
    assert_eq!(
        told.get("Rotation Failed"),
        Some(&1),
        "once, however often it is tried"
    );
    assert_eq!(
        scenario.world.shopctrl.outages(),
        vec![],
        "the secret in use goes on working"
    );
    assert_eq!(scenario.keys().len(), 2, "nothing was issued");

    forbid(false);
    scenario
        .world
        .clock
        .advance(jiff::SignedDuration::from_hours(6));
    reattempt_and_check(&scenario).await;
    scenario.assert_whole();
    assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
    scenario.assert_events_keep_their_schemas();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_version_that_holds_awspending_is_cleared_and_the_rotation_begins_anew() {
    // Left by a rotation that never came to its first step: where one is due, and where none is.
    for days_left in [20, 100] {
        let plan = MailboxPlan {
            ends_in: jiff::SignedDuration::from_hours(24 * days_left),
            ..MailboxPlan::default()
        };
        let scenario = Scenario::with(&plan).await;
        scenario.begin_rotation(TOKEN);
        // Asking Secrets Manager to go on with it moves nothing.
        let stuck = r#"{"__type":"InvalidRequestException","Message":"A previous rotation isn't complete. That rotation will be reattempted."}"#;
        scenario
            .world
            .gate
            .fail_next("secretsmanager", "RotateSecret", answer(false, 400, stuck));
        for _ in 0..2 {
            scenario.check().await;
            scenario
                .world
                .clock
                .advance(jiff::SignedDuration::from_hours(6));
        }
        scenario.world.gate.heal();
        let secret = scenario.secret();
        assert!(
            secret.unfinished_rotation().is_none(),
            "{days_left} days left"
        );
        if days_left == 100 {
            assert_eq!(
                scenario.current_key(),
                scenario.mailbox.first_key,
                "none was due"
            );
            scenario.rotate().await;
        }
        assert_ne!(scenario.current_key(), scenario.mailbox.first_key);
        assert_eq!(scenario.keys().len(), 3);
        scenario.assert_whole();
    }
}
