//! createSecret against what Entra, Graph and Secrets Manager do on bad days.

use simulators::gate::Fault;
use simulators::microsoft::directory::application::Audience;
use simulators::world::{Mailbox, MailboxPlan, World, short_waits};

use crate::end_state::{assert_whole, current_key, keys, orphans};
use crate::steps::{TOKEN, begin, rotate, step};

fn answer(effect: bool, status: u16, body: &str) -> Fault {
    Fault::Answer {
        effect,
        status,
        headers: Vec::new(),
        body: body.to_owned(),
    }
}

/// Secrets Manager reattempts, then the schedule ticks.
async fn reattempt_and_check(world: &World, mailbox: &Mailbox) {
    for _ in 0..2 {
        world.secrets_manager.reattempt(&mailbox.secret);
        world.secrets_manager.settled(&mailbox.secret).await;
    }
    world.check().await.unwrap();
    world.secrets_manager.settled(&mailbox.secret).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_store_fails_the_fresh_credential_is_removed() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    let denied = r#"{"__type":"AccessDeniedException","Message":"no"}"#;
    world.gate.fail_next(
        "secretsmanager",
        "PutSecretValue",
        answer(false, 400, denied),
    );
    let failed = step(&world, &mailbox, "createSecret", TOKEN).await;
    assert_eq!(
        failed.error_type(),
        Some("Misconfigured"),
        "{}",
        failed.payload
    );
    assert_eq!(keys(&world, &mailbox).len(), 2, "removed");
    world.gate.fail(
        "secretsmanager",
        "PutSecretValue",
        0,
        4,
        answer(false, 500, "{}"),
    );
    let failed = step(&world, &mailbox, "createSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Temporary"), "{}", failed.payload);
    assert_eq!(keys(&world, &mailbox).len(), 2, "removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_whose_answer_is_lost_is_seen_to_have_happened() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    begin(&world, &mailbox, TOKEN);
    world.gate.fail(
        "secretsmanager",
        "PutSecretValue",
        0,
        4,
        answer(true, 500, "{}"),
    );
    let done = step(&world, &mailbox, "createSecret", TOKEN).await;
    assert_eq!(done.function_error, None, "{}", done.payload);
    assert_eq!(orphans(&world, &mailbox), Vec::<uuid::Uuid>::new());
    assert_eq!(keys(&world, &mailbox).len(), 3);
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
        let world = World::start(short_waits()).await.unwrap();
        let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
        world.gate.fail_next("graph", "POST addPassword", fault);
        rotate(&world, &mailbox).await;
        reattempt_and_check(&world, &mailbox).await;
        println!("{name}");
        assert_whole(&world, &mailbox);
        assert_ne!(current_key(&world, &mailbox), mailbox.first_key, "{name}");
        assert_eq!(
            keys(&world, &mailbox).len(),
            3,
            "{name}: one new, one in quarantine, one foreign"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_of_the_tenant_shortens_the_lifetime_or_ends_the_rotation_with_advice() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let limit = jiff::SignedDuration::from_hours(24 * 61);
    world.directory.change(mailbox.app.app_id, |app| {
        app.max_secret_lifetime = Some(limit)
    });
    rotate(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
    let key = current_key(&world, &mailbox);
    let credentials = world.directory.credentials(mailbox.app.app_id);
    let end = credentials.iter().find(|c| c.key_id == key).unwrap().end;
    assert!(end.duration_since(world.clock.now()) <= limit);

    world
        .directory
        .change(mailbox.app.app_id, |app| app.secrets_blocked = true);
    begin(&world, &mailbox, TOKEN);
    let failed = step(&world, &mailbox, "createSecret", TOKEN).await;
    assert_eq!(failed.error_type(), Some("Misconfigured"));
    assert!(
        failed.payload.to_string().contains("exempt"),
        "{}",
        failed.payload
    );
    let told = world.event_bridge.details("Rotation Failed");
    assert_eq!(told[0]["code"], "CredentialTypeNotAllowedAsPerAppPolicy");
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_of_two_nothing_foreign_current_or_in_quarantine_is_removed() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    world.directory.change(mailbox.app.app_id, |app| {
        app.sign_in_audience = Audience::AnyAndPersonal;
    });
    begin(&world, &mailbox, TOKEN);
    let failed = step(&world, &mailbox, "createSecret", TOKEN).await;
    assert_eq!(
        failed.error_type(),
        Some("Misconfigured"),
        "{}",
        failed.payload
    );
    let mut both = keys(&world, &mailbox);
    both.sort();
    let mut wanted = vec![mailbox.first_key, mailbox.foreign_key];
    wanted.sort();
    assert_eq!(both, wanted);
    // Once a person has made room, it goes on; an orphan of a killed attempt makes room itself.
    world
        .directory
        .delete_secret(mailbox.app.app_id, mailbox.foreign_key);
    world
        .gate
        .fail_next("graph", "POST addPassword", Fault::Kill { effect: true });
    step(&world, &mailbox, "createSecret", TOKEN).await;
    assert_eq!(orphans(&world, &mailbox).len(), 1);
    world.clock.advance(jiff::SignedDuration::from_mins(2));
    let done = step(&world, &mailbox, "createSecret", TOKEN).await;
    assert_eq!(done.function_error, None, "{}", done.payload);
    assert_eq!(orphans(&world, &mailbox), Vec::<uuid::Uuid>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_lag_and_disagree_are_waited_for() {
    use simulators::microsoft::directory::{Lag, Replica};
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let lag = |millis| Replica {
        learns: Lag::Time(jiff::SignedDuration::from_millis(millis)),
        forgets: Lag::None,
    };
    world
        .directory
        .set_token_replicas(vec![lag(0), lag(300), lag(900)]);
    world.directory.set_graph_replicas(vec![lag(0), lag(1500)]);
    rotate(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_that_forbids_client_secrets_is_told_with_advice_and_renewed_once_exempted() {
    let world = World::start(short_waits()).await.unwrap();
    let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
    let forbid = |forbidden: bool| {
        world.directory.change(mailbox.app.app_id, |app| {
            app.secrets_blocked = forbidden;
        });
    };
    forbid(true);
    for _ in 0..2 {
        reattempt_and_check(&world, &mailbox).await;
    }
    let failed = world.event_bridge.details("Rotation Failed");
    assert_eq!(failed[0]["code"], "CredentialTypeNotAllowedAsPerAppPolicy");
    let advice = failed[0]["next_step"].as_str().unwrap();
    assert!(advice.contains("administrator has to exempt"), "{advice}");
    let told = crate::events::told(&world);
    assert_eq!(
        told.get("Rotation Failed"),
        Some(&1),
        "once, however often it is tried"
    );
    assert_eq!(
        world.shopctrl.outages(),
        vec![],
        "the secret in use goes on working"
    );
    assert_eq!(keys(&world, &mailbox).len(), 2, "nothing was issued");

    forbid(false);
    world.clock.advance(jiff::SignedDuration::from_hours(6));
    reattempt_and_check(&world, &mailbox).await;
    assert_whole(&world, &mailbox);
    assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
    crate::events::assert_events_keep_their_schemas(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_version_that_holds_awspending_is_cleared_and_the_rotation_begins_anew() {
    // Left by a rotation that never came to its first step: where one is due, and where none is.
    for days_left in [20, 100] {
        let world = World::start(short_waits()).await.unwrap();
        let plan = MailboxPlan {
            ends_in: jiff::SignedDuration::from_hours(24 * days_left),
            ..MailboxPlan::default()
        };
        let mailbox = world.add_mailbox(&plan).unwrap();
        begin(&world, &mailbox, TOKEN);
        // Asking Secrets Manager to go on with it moves nothing.
        let stuck = r#"{"__type":"InvalidRequestException","Message":"A previous rotation isn't complete. That rotation will be reattempted."}"#;
        world.gate.fail(
            "secretsmanager",
            "RotateSecret",
            0,
            1,
            answer(false, 400, stuck),
        );
        for _ in 0..2 {
            world.check().await.unwrap();
            world.secrets_manager.settled(&mailbox.secret).await;
            world.clock.advance(jiff::SignedDuration::from_hours(6));
        }
        world.gate.heal();
        let secret = world.secrets_manager.snapshot(&mailbox.secret).unwrap();
        assert!(
            secret.unfinished_rotation().is_none(),
            "{days_left} days left"
        );
        if days_left == 100 {
            assert_eq!(
                current_key(&world, &mailbox),
                mailbox.first_key,
                "none was due"
            );
            rotate(&world, &mailbox).await;
        }
        assert_ne!(current_key(&world, &mailbox), mailbox.first_key);
        assert_eq!(keys(&world, &mailbox).len(), 3);
        assert_whole(&world, &mailbox);
    }
}
