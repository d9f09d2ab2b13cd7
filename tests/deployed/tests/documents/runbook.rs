//! docs/runbook.md: each part in the state that it presumes.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use simulators::aws::secrets_manager::{CURRENT, PENDING};
use simulators::microsoft::directory::application::NewSecret;
use simulators::shopctrl::Protocol;
use simulators::world::MailboxPlan;

use crate::part::{Part, parts, well};
use crate::reader::Reader;
use crate::system::{Own, System};

const RUNBOOK: &str = "docs/runbook.md";

pub const PARTS: &[Part] = parts![
    RUNBOOK: reading_the_state(waiting): ["Reading the state"],
    RUNBOOK: rotate_now(well): ["Rotate now"],
    RUNBOOK: what_would_the_checker_do(well): ["What would the checker do", "Preflight", "A check that takes long"],
    RUNBOOK: give_a_rotation_up(waiting): ["Give a rotation up"],
    RUNBOOK: mail_is_down(well): ["Mail is down"],
    RUNBOOK: hand_over_by_hand(attended): ["Hand-over by hand"],
    RUNBOOK: a_secret_leaked(well): ["A secret leaked"],
    RUNBOOK: send_the_link_again(waiting): ["Send the link again"],
    RUNBOOK: change_the_ticket_key(well): ["Change the ticket key"],
    RUNBOOK: stop_and_go_on(well): ["Stop and go on", "CheckerSilent"],
    RUNBOOK: undo_a_promotion(well): ["Undo a promotion"],
    RUNBOOK: alarms(well): ["MailboxesNotWell", "EndNearWithoutRotation", "EndNotKnown", "NoticesLate"],
    RUNBOOK: trying_it_by_hand(by_protocols): ["Trying it by hand"],
    RUNBOOK: mails(well): ["Mails"],
    RUNBOOK: logs(waiting): ["Logs"],
    RUNBOOK: codes_of_aws(well): ["AWS"],
];

/// One whose owner has never signed in: a rotation of it waits.
fn waiting() -> MailboxPlan {
    MailboxPlan {
        granted: false,
        ..well()
    }
}

fn attended() -> MailboxPlan {
    MailboxPlan {
        delivery: "attended".to_owned(),
        ..well()
    }
}

fn by_protocols() -> MailboxPlan {
    MailboxPlan {
        receiving: Protocol::Imap,
        sending: Protocol::Smtp,
        ..well()
    }
}

async fn reading_the_state(system: &System, own: &Own, reader: &mut Reader) {
    let token = own.waits(system).await;
    let described = json(&reader.runs("describe-secret").await);
    assert_eq!(described["rotation"], true);
    assert_eq!(described["labels"][&token][0], PENDING, "{described}");
    assert_eq!(reader.runs("token=").await, format!("{token}\n"));
    reader.puts("ARN_OF_THE_SECRET", &own.mailbox.arn);
    let facts = reader.runs("inspect.json").await;
    let facts = facts
        .split_once("\n{")
        .map(|(_, facts)| json(&format!("{{{facts}")));
    let facts = facts.expect("an answer of Lambda's, and then one of the function's");
    assert!(facts["deep"][&own.mailbox.arn]["Ok"].is_object(), "{facts}");
}

async fn rotate_now(system: &System, own: &Own, reader: &mut Reader) {
    let before = own.version(system, CURRENT);
    reader.runs("rotate-secret").await;
    own.settled(system).await;
    assert_ne!(own.version(system, CURRENT), before);
    reader.runs("--no-rotate-immediately").await;
    own.settled(system).await;
    let ended = own.records(system).pop();
    assert_eq!(ended.as_deref(), Some("TestRotationSucceeded"));
}

async fn what_would_the_checker_do(_: &System, own: &Own, reader: &mut Reader) {
    let plan = reader.runs("dry-run.json").await;
    assert!(plan.contains(&own.mailbox.secret), "{plan}");
    let rows = reader.at("Preflight").runs("dry-run.json").await;
    // The owner of another part's mailbox has not signed in, and nobody has confirmed a subscription.
    for row in ["MISSING: owners_grant", "topic_confirmed"] {
        assert!(rows.contains(row), "{row}: {rows}");
    }
    assert!(
        !rows.contains("not seen this time: topic_confirmed"),
        "{rows}"
    );
    let figures = reader
        .at("A check that takes long")
        .runs("$.Part > 0")
        .await;
    assert!(figures.contains("\"Part\":1"), "{figures}");
}

async fn give_a_rotation_up(system: &System, own: &Own, reader: &mut Reader) {
    let token = own.waits(system).await;
    reader.has_run("Reading the state", "token=").await;
    reader.runs("--remove-from-version-id").await;
    let secret = own.secret(system);
    assert!(secret.labelled(PENDING).is_none());
    let given_up = secret.versions.iter().find(|version| version.id == token);
    let labels = &given_up.expect("it is kept").labels;
    assert!(
        labels.iter().any(|label| label.starts_with("key-")),
        "{labels:?}"
    );
}

async fn mail_is_down(system: &System, own: &Own, reader: &mut Reader) {
    let app = own.mailbox.app.app_id;
    let (key, value) = system
        .world
        .directory
        .add_secret(app, NewSecret::default())
        .unwrap();
    reader.puts("NEW_SECRET_ID", key);
    // What the comment tells a person to do.
    let edit = format!(
        "jq '.key_id = \"{key}\" | .client_secret = \"{value}\" | .expires_at = \"2028-01-01T00:00:00Z\"' \
         document.json > edited.json; mv edited.json document.json"
    );
    reader.puts("# edit the three fields; the file holds a secret", edit);
    reader.runs("put-secret-value").await;
    let secret = own.secret(system);
    let current = secret.labelled(CURRENT).unwrap();
    assert!(
        current.labels.contains(&format!("key-{key}")),
        "{:?}",
        current.labels
    );
    assert_eq!(json(current.text().unwrap())["client_secret"], value);
}

async fn hand_over_by_hand(system: &System, own: &Own, reader: &mut Reader) {
    let token = own.waits(system).await;
    let shown = reader.runs("AWSPENDING").await;
    for direction in ["in", "out"] {
        own.enters(system, direction, shown.trim_end());
    }
    reader.has_run("Reading the state", "token=").await;
    reader.runs("--arg token").await;
    let grants = own.grants(system);
    for direction in ["in", "out"] {
        let attested = &grants["handover"][&token][format!("{}-{direction}", own.name)];
        assert_eq!(attested["state"], "attested", "{grants}");
    }
    let answer = reader
        .has_run_and_failed("Rotate now", "rotate-secret")
        .await;
    assert!(
        answer.contains("A previous rotation isn't complete."),
        "{answer}"
    );
    own.settled(system).await;
    assert_eq!(
        own.version(system, CURRENT),
        token,
        "{:?}",
        own.failures(system)
    );
}

async fn a_secret_leaked(system: &System, own: &Own, reader: &mut Reader) {
    reader.runs("shopmail:emergency").await;
    let (directory, app) = (&system.world.directory, own.mailbox.app.app_id);
    deployed::until::until("the leaked secret is gone", async || {
        let credentials = directory.credentials(app);
        let leaked = |key| key == own.mailbox.first_key;
        (!credentials.iter().any(|one| leaked(one.key_id))).then_some(())
    })
    .await;
}

async fn send_the_link_again(system: &System, own: &Own, reader: &mut Reader) {
    own.waits(system).await;
    let asked = reader.runs("ask.json").await;
    assert!(
        asked.contains("\"sent\"") || asked.contains("\"not_before\""),
        "{asked}"
    );
}

async fn change_the_ticket_key(system: &System, _: &Own, reader: &mut Reader) {
    let secrets = &system.world.secrets_manager;
    let key = || {
        let secret = secrets.snapshot("shopmail-ticket-key").unwrap();
        secret.labelled(CURRENT).unwrap().text().unwrap().to_owned()
    };
    let before = key();
    reader.runs("get-random-password").await;
    assert_eq!(key().len(), 64);
    assert_ne!(key(), before);
}

async fn stop_and_go_on(system: &System, own: &Own, reader: &mut Reader) {
    reader.runs("freeze=").await;
    let freeze = own.secret(system).tags.get("shopmail:policy").cloned();
    assert_eq!(freeze.as_deref(), Some("freeze=2026-11-23/2026-11-27"));
    reader.runs("cancel-rotate-secret").await;
    assert!(!own.secret(system).rotation.enabled);
    reader.runs("--rotation-lambda-arn").await;
    assert!(own.secret(system).rotation.enabled);
    own.settled(system).await;
    let rules = json(&reader.runs("list-rules").await);
    let rules = rules["Rules"].as_array().unwrap();
    let schedule = rules
        .iter()
        .find(|rule| rule["ScheduleExpression"].is_string());
    let name = schedule.expect("the schedule")["Name"].as_str().unwrap();
    reader.puts("NAME", name);
    reader.runs("disable-rule").await;
    let shown = reader.at("CheckerSilent").runs("list-rules").await;
    assert!(shown.contains("\"DISABLED\""), "{shown}");
    reader.runs("enable-rule").await;
    let shown = reader.has_run("Stop and go on", "list-rules").await;
    assert!(!shown.contains("\"DISABLED\""), "{shown}");
}

async fn undo_a_promotion(system: &System, own: &Own, reader: &mut Reader) {
    let older = own.version(system, CURRENT);
    own.rotates(system).await;
    let newer = own.version(system, CURRENT);
    assert_ne!(newer, older);
    reader.puts("OLDER", &older);
    reader.puts("NEWER", &newer);
    reader.runs("--move-to-version-id").await;
    assert_eq!(own.version(system, CURRENT), older);
}

async fn alarms(system: &System, own: &Own, reader: &mut Reader) {
    // Five days before its end nobody renews it.
    let (world, mailbox) = (&system.world, &own.mailbox);
    world
        .secrets_manager
        .cancel_rotation(&mailbox.secret)
        .unwrap();
    let end = world.clock.now() + SignedDuration::from_hours(5 * 24);
    world
        .directory
        .set_secret_end(mailbox.app.app_id, mailbox.first_key, end);
    reader.runs("dry-run.json").await;
    let first = reader.at("EndNearWithoutRotation").runs("sort_by").await;
    let first = first.split("\n}").next().unwrap_or_default();
    assert!(first.contains(&own.mailbox.secret), "{first}");
    reader.at("EndNotKnown").runs("expires_at == null").await;
    let mappings = json(
        &reader
            .at("NoticesLate")
            .runs("list-event-source-mappings")
            .await,
    );
    assert_eq!(mappings["EventSourceMappings"][0]["State"], "Enabled");
}

async fn trying_it_by_hand(system: &System, _: &Own, reader: &mut Reader) {
    reader.puts("TENANT_ID", system.world.tenant());
    for (vendor, own) in system.microsoft() {
        reader.puts(&vendor, own);
    }
    reader.runs("-starttls smtp").await;
    let length: usize = reader.runs("grant_type").await.trim().parse().unwrap();
    assert!(length > 100, "{length}");
    let said = reader.runs("XOAUTH2").await;
    // The token is good for IMAP alone.
    for answer in [
        "a OK AUTHENTICATE completed",
        "-ERR Authentication failure",
        "535 5.7.3",
    ] {
        assert!(said.contains(answer), "{answer}: {said}");
    }
}

async fn mails(_: &System, _: &Own, reader: &mut Reader) {
    let rows = reader.runs("preflight.json").await;
    assert!(rows.contains("\"topic_confirmed\""), "{rows}");
}

async fn logs(system: &System, own: &Own, reader: &mut Reader) {
    own.waits(system).await;
    reader.has_run("Reading the state", "token=").await;
    let lines = reader.runs("start-query").await;
    assert!(lines.lines().count() > 4, "{lines}");
}

async fn codes_of_aws(system: &System, own: &Own, reader: &mut Reader) {
    let key = reader
        .types("aws kms create-key --query KeyMetadata.Arn --output text")
        .await;
    reader.puts("KEY_ARN", key.trim_end());
    let described = json(&reader.runs("describe-key").await);
    assert_eq!(described["KeyMetadata"]["Enabled"], true);
    let secrets = &system.world.secrets_manager;
    secrets.schedule_deletion(&own.mailbox.secret, 7).unwrap();
    reader.puts("NAME", &own.mailbox.secret);
    reader.runs("restore-secret").await;
    assert_eq!(own.secret(system).deleted, None::<Timestamp>);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}
