//! Mailboxes of which nothing is wrong, with renewals among them: not one false alarm. A mailbox-day is one mailbox looked
//! at by the two checks of one day, one of which looks deeply. `MAILBOX_DAYS=10000`: so many, instead of 1,000.

use jiff::SignedDuration;
use serde_json::{Value, json};
use simulators::aws::lambda::function_arn;
use simulators::aws::secrets_manager::RotationRules;
use simulators::microsoft::directory::account::SecretsBlocked;
use simulators::microsoft::directory::application::Audience;
use simulators::microsoft::directory::replication::{Lag, Replica};
use simulators::world::{MailboxPlan, Tenant};

use super::{ModelWorld, number};
use crate::support::in_process::in_virtual_time_with;

/// So many, where nobody says how many.
const MAILBOX_DAYS: u64 = 1_000;
const TENANTS: u64 = 4;
/// Of each tenant.
const MAILBOXES: u64 = 14;

fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// What tenants differ in, and must not look like something that is missing.
fn furnish(world: &ModelWorld, tenant: &Tenant, kind: u64) {
    let roles: &[&str] = match kind {
        0 => &["Application.ReadWrite.OwnedBy"],
        1 => &[
            "Application.ReadWrite.OwnedBy",
            "Policy.Read.All",
            "Application.Read.All",
        ],
        2 => &["Application.ReadWrite.All"],
        _ => &["Application.ReadWrite.OwnedBy", "Policy.Read.All"],
    };
    let directory = &world.directory;
    directory.change(tenant.rotator.app_id, |app| {
        app.app_roles = roles.iter().map(|role| (*role).to_owned()).collect();
    });
    directory.change_tenant(tenant.id, |tenant| {
        tenant.longest_secret = (kind == 1).then(|| days(365));
        // For apps that are made from now on.
        tenant.secrets_blocked = (kind == 1).then(|| SecretsBlocked {
            apps_since: Some(world.clock.now() + days(1)),
            excepted_callers: [].into(),
        });
    });
}

fn add(world: &ModelWorld, tenant: &Tenant, kind: u64, n: i64) {
    let shop_id = n + 1;
    let attended = n % 4 == 3;
    // Of two years, which a person is in no hurry to renew.
    let ends_in = if attended { days(560) } else { days(40 + n) };
    let mailbox = world
        .add_mailbox(&MailboxPlan {
            name: format!("m{shop_id}"),
            address: format!("m{shop_id}@agency.example"),
            shop_id,
            delivery: if attended { "attended" } else { "api" }.to_owned(),
            reveal_to_owner: n % 5 == 0,
            ends_in,
            tenant: Some(tenant.clone()),
            ..MailboxPlan::default()
        })
        .unwrap();
    let app = mailbox.app.app_id;
    world.directory.change(app, |app| {
        app.sends_auth_time = true;
        // A rotator that may manage all apps owns none.
        if kind == 2 {
            app.owners.clear();
        }
        if n % 3 == 0 {
            app.sign_in_audience = Audience::AnyAndPersonal;
        }
    });
    if n % 3 == 0 {
        world.directory.delete_secret(app, mailbox.foreign_key);
    }
    if attended {
        let rules = Some(RotationRules::every_days(540));
        let store = &world.secrets_manager;
        store
            .set_rotation(&mailbox.secret, &function_arn("rotation"), rules)
            .unwrap();
    }
}

fn missing(answer: &Value) -> Vec<String> {
    let secrets = answer["secrets"].as_array().unwrap().iter();
    let of_each = secrets.flat_map(|secret| {
        let rows = secret["preflight"].as_array().unwrap().iter();
        let missing = rows.filter(|row| row["seen"] == "missing");
        missing.map(|row| format!("{} {row}", secret["secret"]))
    });
    of_each.collect()
}

/// So many days of one tenant's mailboxes.
fn live(kind: u64, for_days: u64) {
    fastrand::seed(1);
    let region = format!("healthy-{kind}");
    let settings = [
        ("CHECK_SCHEDULE", "rate(12 hours)"),
        ("AWS_REGION", &region),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    in_virtual_time_with(settings.into(), |in_process| async move {
        // All of it, its network too.
        let in_process = in_process;
        let world = &in_process.world;
        let mailboxes = i64::try_from(MAILBOXES).unwrap();
        let shops: Vec<i64> = (1..=mailboxes).collect();
        let tenant = world.add_tenant("agency.example", &shops).unwrap();
        furnish(world, &tenant, kind);
        for n in 0..mailboxes {
            add(world, &tenant, kind, n);
        }
        let slow = Lag::Time(SignedDuration::from_secs(20));
        let late = Replica {
            learns: slow,
            forgets: slow,
        };
        world
            .directory
            .set_graph_replicas(vec![Replica::default(), late]);
        world.directory.set_graph_habits(|habits| {
            habits.reads_by_connection = true;
            habits.owned_by_reads_all = true;
        });
        for half_day in 0..2 * for_days {
            world.clock.advance(SignedDuration::from_hours(12));
            let checked = world.check().await.unwrap();
            assert_eq!(checked.function_error, None, "{}", checked.payload);
            world.settle().await;
            world.gate.clear();
            if half_day % (2 * 15) == 0 {
                let event = json!({"dry_run": true, "time": world.clock.now()});
                let answer = world.invoke("expiry-checker", &event).await.unwrap();
                assert_eq!(missing(&answer.payload), Vec::<String>::new());
            }
        }
        let drift = world.event_bridge.details("Drift Found");
        assert_eq!(drift, Vec::<Value>::new());
        for wrong in ["Rotation Failed", "Rotation Stalled", "Mailbox Recovered"] {
            let told = world.event_bridge.details(wrong);
            assert_eq!(told, Vec::<Value>::new());
        }
        // Those that need nobody are renewed, each at a day of its own.
        let renewed = world.event_bridge.details("Client Secret Rotated").len();
        let due = |n: &i64| n % 4 != 3 && u64::try_from(12 + n).unwrap() < for_days;
        let due = (0..mailboxes).filter(due).count();
        assert!(renewed >= due && due > 0, "{renewed} of {due}");
    });
}

#[test]
fn healthy_mailboxes_have_no_drift_and_nothing_missing() {
    let mailbox_days = number("MAILBOX_DAYS").unwrap_or(MAILBOX_DAYS);
    let for_days = mailbox_days.div_ceil(TENANTS * MAILBOXES);
    std::thread::scope(|scope| {
        for kind in 0..TENANTS {
            scope.spawn(move || live(kind, for_days));
        }
    });
}
