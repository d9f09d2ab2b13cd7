//! docs/calls.md: the calls of one rotation, each with its reason, as many of them and as many in sequence as it says.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use simulators::aws::secrets_manager::PENDING;
use simulators::gate::{Call, Fault};
use simulators::world::{InProcess, Mailbox, MailboxPlan};
use tokio::time::Instant;

use crate::kill_matrix::site::describe;
use crate::support::in_process::in_virtual_time_with;
use crate::support::steps::{STEPS, TOKEN};

/// What the four steps may cost, without waits and second looks.
const MOST_CALLS: usize = 34;
const MOST_IN_SEQUENCE: usize = 26;

/// The rotation before: what follows is like all that come after it.
const FIRST: &str = "00000000-2222-4333-8444-555555555555";

/// A mailbox in virtual time, once rotated.
fn in_a_world(settings: &[(&str, &str)], test: impl AsyncFnOnce(&InProcess, &Mailbox)) {
    let settings = settings.iter();
    let settings = settings.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    in_virtual_time_with(settings.collect(), |in_process| async move {
        let world = &in_process.world;
        // It is asked for its mail check once: more often would be a wait.
        let often = SignedDuration::from_millis(300);
        world.shopctrl.set_check_interval(often);
        let mailbox = world.add_mailbox(&MailboxPlan::default()).unwrap();
        begin(&in_process, &mailbox, FIRST);
        for step in STEPS {
            take(&in_process, &mailbox, step, FIRST).await;
        }
        begin(&in_process, &mailbox, TOKEN);
        test(&in_process, &mailbox).await;
    });
}

fn begin(world: &InProcess, mailbox: &Mailbox, token: &str) {
    let store = &world.world.secrets_manager;
    let begun = store.place_version(&mailbox.secret, token, None, &[PENDING]);
    begun.unwrap();
}

async fn take(world: &InProcess, mailbox: &Mailbox, step: &str, token: &str) {
    let world = &world.world;
    world.clock.advance(SignedDuration::from_secs(2));
    let event = json!({"Step": step, "SecretId": mailbox.arn, "ClientRequestToken": token});
    let done = world.invoke("rotation", &event).await.unwrap();
    assert_eq!(done.function_error, None, "{step}: {}", done.payload);
}

/// A row of the document.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    times: usize,
    counted: usize,
}

type Calls = BTreeMap<String, Row>;

/// The document's tables by step, and what it says of each step: calls, counted, in sequence.
fn documented() -> (BTreeMap<String, Calls>, BTreeMap<String, [usize; 3]>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/calls.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (mut steps, mut sums) = (BTreeMap::new(), BTreeMap::new());
    for part in text.split("\n## ").skip(1) {
        let step = part.lines().next().unwrap();
        let rows = part.lines().filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix("| ")?.split(" | ").collect();
            Some((cells[0].to_owned(), cells))
        });
        let number = |cell: &str| cell.trim_end_matches(" |").parse::<usize>();
        for (name, cells) in rows {
            let numbers: Vec<usize> = cells.iter().flat_map(|cell| number(cell)).collect();
            match numbers[..] {
                [times, counted] => {
                    let calls: &mut Calls = steps.entry(step.to_owned()).or_default();
                    assert!(!cells[3].is_empty(), "{step}: {name} has a reason");
                    calls.insert(name, Row { times, counted });
                }
                [calls, counted, in_sequence] => {
                    sums.insert(name, [calls, counted, in_sequence]);
                }
                _ => {}
            }
        }
    }
    (steps, sums)
}

#[test]
fn a_rotation_makes_the_calls_that_the_document_gives_reasons_for_and_no_others() {
    let (documented, sums) = documented();
    in_a_world(&[], async |world, mailbox| {
        let mut all = 0;
        for step in STEPS {
            world.world.gate.clear();
            take(world, mailbox, step, TOKEN).await;
            let made = world.world.gate.calls();
            in_this_order(step, &made);
            let mut times: BTreeMap<String, usize> = BTreeMap::new();
            for call in &made {
                let of = format!("{} {}", call.service, describe(call));
                *times.entry(of).or_default() += 1;
            }
            let known = &documented[step];
            let told = known.iter().map(|(call, row)| (call.clone(), row.times));
            assert_eq!(times, told.collect(), "{step}");
            let counted: usize = known.values().map(|row| row.counted).sum();
            assert_eq!(sums[step][..2], [made.len(), counted], "{step}");
            assert!(known.values().all(|row| row.counted <= row.times), "{step}");
            all += counted;
        }
        assert!(all <= MOST_CALLS, "{all}");
    });
}

/// What runs side by side has no order; what depends on another has.
fn in_this_order(step: &str, made: &[Call]) {
    let order: &[&str] = match step {
        "createSecret" => &[
            "secretsmanager DescribeSecret",
            "sts GetWebIdentityToken",
            "entra POST token client_credentials",
            "graph GET application",
            "graph POST addPassword",
            "secretsmanager PutSecretValue",
            "events PutEvents",
        ],
        "setSecret" => &[
            "secretsmanager DescribeSecret",
            "entra POST token client_credentials",
            "entra POST token refresh_token",
            "shopctrl GET connection [receiving]",
            "shopctrl PUT connection [receiving]",
            "shopctrl POST connection test [receiving]",
            "shopctrl GET connection [sending]",
            "shopctrl PUT connection [sending]",
            "shopctrl POST connection test [sending]",
            "events PutEvents",
        ],
        "testSecret" => &[
            "secretsmanager DescribeSecret",
            "entra POST token client_credentials",
            "shopctrl GET connection",
            "shopctrl GET ShopStatus",
            "secretsmanager UpdateSecretVersionStage",
        ],
        _ => &[
            "secretsmanager DescribeSecret",
            "secretsmanager BatchGetSecretValue",
            "shopctrl GET connection",
            "secretsmanager UpdateSecretVersionStage",
            "events PutEvents",
            "secretsmanager TagResource",
        ],
    };
    let made = made.iter();
    let made: Vec<String> = made
        .map(|call| format!("{} {}", call.service, describe(call)))
        .collect();
    let at = |operation: &&str| {
        let found = made.iter().position(|o| o.starts_with(operation));
        found.unwrap_or_else(|| panic!("{step}: no {operation} in {made:#?}"))
    };
    let places: Vec<usize> = order.iter().map(at).collect();
    assert!(places.is_sorted(), "{step}: {made:#?}");
}

/// Every call takes so long, in virtual time.
const CALL: Duration = Duration::from_millis(50);

/// Delays calls so that the time of a step is its longest chain: a second look takes none, and what is done to the
/// directions in ShopCtrl is done to one after the other.
#[derive(Default)]
struct Lane {
    step: &'static str,
    /// Until when ShopCtrl is at it.
    busy: Option<Instant>,
}

impl Lane {
    fn delay(&mut self, call: &Call) -> Duration {
        let is_look = matches!(
            call.operation.as_str(),
            "GET connection" | "BatchGetSecretValue"
        );
        let is_second = match self.step {
            "testSecret" => call.operation == "GET connection",
            "finishSecret" => is_look,
            _ => false,
        };
        if is_second {
            return Duration::ZERO;
        }
        if call.service != "shopctrl" || is_look {
            return CALL;
        }
        let now = Instant::now();
        let done = self.busy.map_or(now, |busy| busy.max(now)) + CALL;
        self.busy = Some(done);
        done - now
    }
}

#[test]
fn so_many_calls_of_a_rotation_are_in_sequence_as_the_document_says() {
    let (_, sums) = documented();
    // One sign-in: the others are second looks.
    in_a_world(&[("SIGN_IN_SUCCESSES", "1")], async |world, mailbox| {
        let lane = Arc::new(Mutex::new(Lane::default()));
        let of_calls = Arc::clone(&lane);
        let gate = &world.world.gate;
        gate.direct(move |call| Some(Fault::Delay(of_calls.lock().unwrap().delay(call))));
        let mut all = 0;
        for step in STEPS {
            lane.lock().unwrap().step = step;
            let begun = Instant::now();
            take(world, mailbox, step, TOKEN).await;
            let calls = begun.elapsed().as_millis() as usize / CALL.as_millis() as usize;
            assert_eq!(sums[step][2], calls, "{step}: {:?}", begun.elapsed());
            all += calls;
        }
        assert!(all <= MOST_IN_SEQUENCE, "{all}");
    });
}
