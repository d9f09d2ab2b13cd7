//! Looks at every call before it takes effect: brings in the trouble that the schedule has for it, and
//! notes what must never be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use shared::credential::Marker;
use simulators::directory::Standing;
use simulators::gate::{Call, Fault};
use simulators::lambda::in_process;
use simulators::secrets_manager::{CURRENT, PENDING};
use simulators::shopctrl::{OutageCause, Status};
use simulators::world::Mailbox;
use uuid::Uuid;

use super::World;
use super::deeds;
use super::owner::ASKS;
use super::schedule::{Deed, Mishap, Tag, Trouble};
use super::standing::{
    Breach, breaches, connection_id, connections, current_key, holds, is_attended, key_labels,
    named_keys, standing,
};
use crate::kill_matrix::trouble::{answer, throttled};

const QUARANTINE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is known of the run so far.
#[derive(Debug, Default)]
pub struct Watch {
    pub mailbox: Option<Mailbox>,
    /// What must never be, and was.
    pub violations: Vec<String>,
    /// Everything that a person did.
    pub deeds: Vec<Deed>,
    /// Since when what is not as it should be is so.
    pub since: BTreeMap<Breach, Timestamp>,
    /// When all of Entra accepted the current secret last.
    pub accepted: Option<Timestamp>,
    /// The credentials that the functions promoted, or told that they are.
    pub promoted: BTreeSet<Uuid>,
    /// The credential that each connection's person said is entered and Authorized, last.
    pub said: BTreeMap<String, Uuid>,
    /// Whether there is no room for another credential until a person makes some.
    pub no_room: bool,
    /// So many undisturbed checks were made since the client secret was due.
    pub checks_since_due: u32,
    trouble: Option<Trouble>,
    calls: u32,
    /// The service that answers 503 until the step has ended.
    down: Option<&'static str>,
    /// When the world was looked at last, and whether a call has changed it since.
    looked: Option<Timestamp>,
    changed: bool,
    /// The invocation during which a person did something.
    surprised: Option<u64>,
    /// When each credential was current last.
    last_current: BTreeMap<Uuid, Timestamp>,
    /// The connections that a person has put out of order, until they work again.
    out_by_hand: BTreeSet<String>,
    /// The credential with which ShopCtrl's own test of a connection passed last.
    proved: BTreeMap<String, Uuid>,
}

impl Watch {
    pub fn over(mailbox: &Mailbox) -> Self {
        Self {
            mailbox: Some(mailbox.clone()),
            ..Self::default()
        }
    }

    /// A step of the schedule begins.
    pub fn begin_step(&mut self, trouble: Option<Trouble>) {
        self.trouble = trouble;
        self.calls = 0;
        self.down = None;
        self.surprised = None;
    }

    /// Whether the step's trouble has befallen a call.
    pub fn trouble_is_over(&self) -> bool {
        self.trouble.is_none()
    }

    fn violation(&mut self, what: String) {
        if !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }

    /// A person does something.
    pub fn person(&mut self, world: &World, deed: Deed) {
        let Some(mailbox) = self.mailbox.clone() else {
            return;
        };
        self.look(world);
        deeds::perform(world, &mailbox, deed);
        self.deeds.push(deed);
        self.surprised = in_process::caller();
        if let Deed::EnterSecret(to, _) | Deed::Disable(to) | Deed::Deauthorize(to) = deed {
            self.out_by_hand.insert(connection_id(to).to_owned());
        }
        for outage in world.shopctrl.outages() {
            self.out_by_hand.insert(outage.connection_id);
        }
        self.look(world);
    }

    /// Before a call: what is done to it.
    pub fn befall(&mut self, world: &World, call: &Call) -> Option<Fault> {
        // A person's own requests are not a function's calls.
        in_process::caller()?;
        self.calls += 1;
        self.look_after_change(world, call);
        let due = self.trouble.as_ref().is_some_and(|t| t.at == self.calls);
        let mishap = due
            .then(|| self.trouble.take())
            .flatten()
            .map(|trouble| trouble.mishap);
        if let Some(Mishap::Meanwhile(deed)) = mishap {
            self.person(world, deed);
        }
        if matches!(mishap, Some(Mishap::Outage)) {
            self.down = Some(call.service);
        }
        self.judge(world, call);
        if self.down == Some(call.service) {
            return Some(answer(503, false, "{}"));
        }
        Some(match mishap? {
            Mishap::KilledBefore => Fault::Kill { effect: false },
            Mishap::KilledAfterEffect => Fault::Kill { effect: true },
            Mishap::KilledAfterAnswer => {
                in_process::kill_caller_after_answer();
                return None;
            }
            Mishap::Throttled => throttled(call.service),
            Mishap::Unavailable { effect } => answer(503, effect, "{}"),
            Mishap::Reset { effect } => Fault::Reset { effect },
            Mishap::Silence { effect } => Fault::Hang { effect },
            Mishap::CutOff => Fault::CutOff,
            Mishap::NotJson => Fault::NotJson,
            Mishap::Outage | Mishap::Meanwhile(_) => return None,
        })
    }

    /// After an answered call.
    pub fn answered(&mut self, world: &World, call: &Call) {
        if (call.service, call.operation.as_str()) != ("shopctrl", "POST connection test") {
            return;
        }
        let Some(mailbox) = self.mailbox.clone() else {
            return;
        };
        for connection in connections(world, &mailbox) {
            let about_it = call.uri.contains(&format!("/{}/", connection.id));
            let passed = connection.status == Status::Authorized && connection.enabled;
            if let (true, true, Some(key)) = (about_it, passed, connection.key_id) {
                self.proved.insert(connection.id, key);
            }
        }
    }

    /// Looks if the call before changed something, or time has passed since the last look.
    fn look_after_change(&mut self, world: &World, call: &Call) {
        let now = world.clock.now();
        let waited = self
            .looked
            .is_none_or(|at| now.duration_since(at) >= SignedDuration::from_secs(1));
        if self.changed || waited {
            self.look(world);
        }
        self.changed = CHANGES.contains(&call.operation.as_str());
    }

    /// Looks at the world: at the mail, and at what is not as it should be.
    pub fn look(&mut self, world: &World) {
        let Some(mailbox) = self.mailbox.clone() else {
            return;
        };
        let now = world.clock.now();
        self.looked = Some(now);
        if let Some(key) = current_key(world, &mailbox) {
            self.last_current.insert(key, now);
        }
        if standing(world, &mailbox) == Standing::Accepted {
            self.accepted = Some(now);
        }
        let found = breaches(world, &mailbox);
        self.since.retain(|breach, _| found.contains(breach));
        for breach in found {
            self.since.entry(breach).or_insert(now);
        }
        let outages = world.shopctrl.outages();
        let out = |id: &String| outages.iter().any(|o| o.connection_id == *id);
        // Put right again only with the current secret: an older one may end at any time.
        let key = current_key(world, &mailbox);
        let right = |id: &String| {
            let connection = world.shopctrl.connection(mailbox.shop_id, id);
            let held = connection.zip(key);
            held.is_some_and(|(connection, key)| holds(world, &mailbox, &connection, key))
        };
        self.out_by_hand.retain(|id| out(id) || !right(id));
        for outage in outages {
            let id = outage.connection_id;
            // Replicas that disagree for a moment are not ours to mend.
            let disputed = outage.cause == OutageCause::SecretRefused(Standing::Disputed);
            if disputed || self.out_by_hand.contains(&id) || self.ended(world, &mailbox, &id) {
                continue;
            }
            self.violation(format!("mail stands still at {id}: {:?}", outage.cause));
        }
    }

    /// Whether the secret that a connection holds has come to its own end, without a fair chance for
    /// the checks to renew it in time.
    fn ended(&self, world: &World, mailbox: &Mailbox, id: &str) -> bool {
        let connection = world.shopctrl.connection(mailbox.shop_id, id);
        let credential = connection
            .and_then(|connection| connection.secret)
            .and_then(|secret| world.directory.credential_with_value(&secret));
        let ended = credential.is_some_and(|credential| credential.end <= world.clock.now());
        // A person who was asked has it in their hands.
        let asked = ASKS
            .iter()
            .any(|kind| !world.event_bridge.details(kind).is_empty());
        ended && (asked || !self.deeds.is_empty() || self.no_room || self.checks_since_due < FAIR)
    }

    fn judge(&mut self, world: &World, call: &Call) {
        let Some(mailbox) = self.mailbox.clone() else {
            return;
        };
        // What somebody does behind an invocation's back, it cannot know.
        if self.surprised.is_some() && self.surprised == in_process::caller() {
            return;
        }
        let asked: Json = serde_json::from_slice(&call.body).unwrap_or_default();
        match (call.service, call.operation.as_str()) {
            ("graph", "POST removePassword") => {
                let key = asked["keyId"].as_str().and_then(|key| key.parse().ok());
                if let Some(why) = key.and_then(|key| self.why_kept(world, &mailbox, key)) {
                    self.violation(format!("the removal of {why} is asked for"));
                }
            }
            ("secretsmanager", "UpdateSecretVersionStage")
                if asked["VersionStage"] == CURRENT
                    && asked["SecretId"]
                        .as_str()
                        .is_some_and(|s| !s.contains("/grants")) =>
            {
                self.judge_promotion(world, &mailbox, &asked);
            }
            ("events", _) => {
                for entry in asked["Entries"].as_array().into_iter().flatten() {
                    let detail = entry["Detail"].as_str().unwrap_or_default();
                    let detail = serde_json::from_str(detail).unwrap_or_default();
                    self.judge_event(world, &mailbox, &entry["DetailType"], &detail);
                }
            }
            _ => {}
        }
    }

    fn judge_promotion(&mut self, world: &World, mailbox: &Mailbox, asked: &Json) {
        let secret = world.secrets_manager.snapshot(&mailbox.secret);
        let to = asked["MoveToVersionId"].as_str().unwrap_or_default();
        let labels = secret.and_then(|secret| secret.version(to).map(|v| v.labels.clone()));
        let Some(key) = key_labels(&labels.unwrap_or_default()).first().copied() else {
            return self.violation("a version without credential is promoted".to_owned());
        };
        self.promoted.insert(key);
        for connection in connections(world, mailbox) {
            let holds = holds(world, mailbox, &connection, key);
            let id = connection.id;
            let proofs = match is_attended(mailbox) {
                true => &self.said,
                false => &self.proved,
            };
            if is_attended(mailbox) && self.moved_current() {
                // Who makes another secret the current one enters that one by hand, whatever was said.
                continue;
            }
            if connection.status != Status::Authorized || !holds {
                self.violation(format!("promoted while {id} does not hold the new secret"));
            } else if proofs.get(&id) != Some(&key) {
                self.violation(format!("promoted while {id} was not proved"));
            }
        }
    }

    fn judge_event(&mut self, world: &World, mailbox: &Mailbox, kind: &Json, detail: &Json) {
        let key: Option<Uuid> = detail["key_id"].as_str().and_then(|key| key.parse().ok());
        let (Some("Client Secret Rotated"), Some(key)) = (kind.as_str(), key) else {
            return;
        };
        let held = |c: &simulators::shopctrl::Connection| {
            c.status == Status::Authorized && holds(world, mailbox, c, key)
        };
        let delivered = connections(world, mailbox).iter().all(held);
        if !self.promoted.contains(&key) && !delivered {
            self.violation("told as rotated while a direction was not delivered".to_owned());
        }
        if !self.promoted.contains(&key) && current_key(world, mailbox) != Some(key) {
            self.violation("told as rotated what never was current".to_owned());
        }
    }

    /// Whether a person has made another version the current one.
    pub fn moved_current(&self) -> bool {
        let moves = |deed: &Deed| {
            matches!(
                deed,
                Deed::MoveCurrentToPrevious | Deed::MoveCurrentToPending | Deed::PutValue(_)
            )
        };
        self.deeds.iter().any(moves)
    }

    /// Whether a credential has not been current for as long as the quarantine.
    pub fn quarantine_over(&self, key: Uuid, now: Timestamp) -> bool {
        let last = self.last_current.get(&key);
        last.is_none_or(|last| now.duration_since(*last) >= QUARANTINE)
    }

    fn why_kept(&self, world: &World, mailbox: &Mailbox, key: Uuid) -> Option<&'static str> {
        if Some(key) == current_key(world, mailbox) {
            return Some("the current credential");
        }
        let credentials = world.directory.credentials(mailbox.app.app_id);
        // What is gone, and only shown by a replica that lags, comes to no harm.
        let credential = credentials.iter().find(|c| c.key_id == key)?;
        let name = credential.display_name.as_deref();
        let ours = name.is_some_and(|name| Marker::read(name).is_some());
        let Some(labels) = named_keys(world, mailbox).remove(&key) else {
            return (!ours).then_some("a foreign credential");
        };
        if labels.contains(PENDING) && !labels.contains(CURRENT) {
            return Some("the pending credential");
        }
        let leaked = leaked(world, mailbox, key);
        let value = world.directory.secret_value(key);
        let held = |c: &simulators::shopctrl::Connection| c.secret.is_some() && c.secret == value;
        if leaked || credential.end <= world.clock.now() {
            return None;
        }
        if is_attended(mailbox) && connections(world, mailbox).iter().any(held) {
            return Some("what an attended connection holds");
        }
        self.last_current.get(&key)?;
        let over = self.quarantine_over(key, world.clock.now());
        (!over).then_some("a credential in quarantine")
    }
}

/// Whether a person has said that the version with this credential leaked.
fn leaked(world: &World, mailbox: &Mailbox, key: Uuid) -> bool {
    let Some(secret) = world.secrets_manager.snapshot(&mailbox.secret) else {
        return false;
    };
    let mut holders = secret
        .versions
        .iter()
        .filter(|v| key_labels(&v.labels).contains(&key));
    holders.any(|version| secret.tags.get(Tag::Emergency.key()) == Some(&version.id))
}

/// The calls that change what is looked at.
const CHANGES: [&str; 5] = [
    "PutSecretValue",
    "UpdateSecretVersionStage",
    "POST addPassword",
    "POST removePassword",
    "PUT connection",
];

/// After so many undisturbed checks a client secret that is due has been renewed.
const FAIR: u32 = 4;

/// The longest that a step of a schedule may take, in the world's time.
pub const LONGEST_STEP: Duration = Duration::from_secs(24 * 3600);
