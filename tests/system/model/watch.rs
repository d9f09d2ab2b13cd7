//! Looks at every call before it takes effect: brings in the trouble that the schedule has for it, and
//! notes what must never be.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value as Json;
use shared::credential::{IssuedBy, Marker};
use simulators::aws::lambda::in_process;
use simulators::aws::secrets_manager::{CURRENT, PENDING};
use simulators::gate::{Call, Fault};
use simulators::microsoft::directory::Standing;
use simulators::microsoft::directory::application::Credential;
use simulators::shopctrl::{OutageCause, Status};
use simulators::world::Mailbox;
use uuid::Uuid;

use super::ModelWorld;
use super::deeds;
use super::owner::ASKS;
use super::schedule::{Deed, Mishap, Tag, Trouble};
use super::standing::{
    Breach, breaches, connection_id, connections, current_document, current_key, frozen, holds,
    in_a_freeze, is_attended, is_replica, key_labels, named_keys, standing,
};
use crate::support::faults::{answer, throttled};

const QUARANTINE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What is known of the run so far.
#[derive(Debug, Default)]
pub struct Watch {
    pub mailbox: Option<Mailbox>,
    /// The other mailbox on the same app registration.
    pub neighbour: Option<Mailbox>,
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
    /// Whether other labels leave none for a rotation until a person takes them away.
    pub no_labels: bool,
    /// So many undisturbed checks were made since a shop's client secret was due.
    pub checks_since_due: BTreeMap<i64, u32>,
    trouble: Option<Trouble>,
    calls: u32,
    /// The service that answers 503 until the step has ended.
    down: Option<&'static str>,
    /// When the world was looked at last, and whether a call has changed it since.
    looked: Option<Timestamp>,
    changed: bool,
    /// The invocation during which a person did something.
    surprised: Option<u64>,
    /// Each invocation, and whether the secret was a replica when it began.
    on_a_replica: BTreeMap<u64, bool>,
    /// The secret that each invocation named first.
    secret_of: BTreeMap<u64, String>,
    /// The invocations that asked for a credential.
    issuers: BTreeSet<u64>,
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

    fn mailboxes(&self) -> Vec<Mailbox> {
        let both = self.mailbox.iter().chain(&self.neighbour);
        both.cloned().collect()
    }

    fn violation(&mut self, what: String) {
        if !self.violations.contains(&what) {
            self.violations.push(what);
        }
    }

    /// A person does something.
    pub fn person(&mut self, world: &ModelWorld, deed: Deed) {
        let Some(mailbox) = self.mailbox.clone() else {
            return;
        };
        self.look(world);
        deeds::perform(world, &mailbox, deed);
        deeds::spread(world);
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
    pub fn befall(&mut self, world: &ModelWorld, call: &Call) -> Option<Fault> {
        // A person's own requests are not a function's calls.
        let caller = in_process::caller()?;
        if let Some(mailbox) = &self.mailbox {
            let replica = is_replica(world, mailbox);
            self.on_a_replica.entry(caller).or_insert(replica);
        }
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
    pub fn answered(&mut self, world: &ModelWorld, call: &Call) {
        if (call.service, call.operation.as_str()) != ("shopctrl", "POST connection test") {
            return;
        }
        let both = self.mailboxes();
        for connection in both.iter().flat_map(|mailbox| connections(world, mailbox)) {
            let about_it = call.uri.contains(&format!("/{}/", connection.id));
            let passed = connection.status == Status::Authorized && connection.enabled;
            if let (true, true, Some(key)) = (about_it, passed, connection.key_id) {
                self.proved.insert(connection.id, key);
            }
        }
    }

    /// Looks if the call before changed something, or time has passed since the last look.
    fn look_after_change(&mut self, world: &ModelWorld, call: &Call) {
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
    pub fn look(&mut self, world: &ModelWorld) {
        let Some(mailbox) = self.mailbox.clone() else {
            return;
        };
        let now = world.clock.now();
        self.looked = Some(now);
        let both = self.mailboxes();
        for key in both
            .iter()
            .filter_map(|mailbox| current_key(world, mailbox))
        {
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
        let right = |id: &String| {
            both.iter().any(|mailbox| {
                let connection = world.shopctrl.connection(mailbox.shop_id, id);
                let held = connection.zip(current_key(world, mailbox));
                held.is_some_and(|(connection, key)| holds(world, mailbox, &connection, key))
            })
        };
        self.out_by_hand.retain(|id| out(id) || !right(id));
        for outage in outages {
            let id = outage.connection_id;
            // Replicas that disagree for a moment are not ours to mend.
            let disputed = outage.cause == OutageCause::SecretRefused(Standing::Disputed);
            if disputed || self.out_by_hand.contains(&id) || self.ended(world, outage.shop_id, &id)
            {
                continue;
            }
            self.violation(format!("mail stands still at {id}: {:?}", outage.cause));
        }
    }

    /// Whether the secret that a connection holds has come to its own end, without a fair chance for
    /// the checks to renew it in time.
    fn ended(&self, world: &ModelWorld, shop: i64, id: &str) -> bool {
        let connection = world.shopctrl.connection(shop, id);
        let credential = connection
            .and_then(|connection| connection.secret)
            .and_then(|secret| world.directory.credential_with_value(&secret));
        let ended = credential.is_some_and(|credential| credential.end <= world.clock.now());
        // A person who was asked has it in their hands.
        let asked = ASKS
            .iter()
            .any(|kind| !world.event_bridge.details(kind).is_empty());
        let checks = self
            .checks_since_due
            .get(&shop)
            .copied()
            .unwrap_or_default();
        let failed = || !world.event_bridge.details("Rotation Failed").is_empty();
        let no_room = self.no_room || self.no_labels && failed();
        ended && (asked || !self.deeds.is_empty() || no_room || checks < FAIR)
    }

    fn judge(&mut self, world: &ModelWorld, call: &Call) {
        let Some(mailbox) = self.mailbox.clone() else {
            return;
        };
        // What somebody does behind an invocation's back, it cannot know.
        if self.surprised.is_some() && self.surprised == in_process::caller() {
            return;
        }
        let asked: Json = serde_json::from_slice(&call.body).unwrap_or_default();
        // A call that names no secret is for the one that its invocation named first.
        let caller = in_process::caller().unwrap_or_default();
        let about = match asked["SecretId"].as_str() {
            // The lease of a check, which is of no mailbox.
            Some("shopmail-ticket-key") => return,
            Some(secret) => {
                let first = self.secret_of.entry(caller);
                first.or_insert_with(|| secret.to_owned());
                secret.to_owned()
            }
            None => self.secret_of.get(&caller).cloned().unwrap_or_default(),
        };
        let neighbours = self
            .neighbour
            .clone()
            .filter(|neighbour| about.contains(&neighbour.secret));
        let began = self.on_a_replica.get(&caller);
        if neighbours.is_none() && began == Some(&true) && WRITES.contains(&call.operation.as_str())
        {
            self.violation(format!("{} for a replica", call.operation));
        }
        let mailbox = neighbours.unwrap_or(mailbox);
        match (call.service, call.operation.as_str()) {
            ("graph", "POST removePassword") => {
                let key = asked["keyId"].as_str().and_then(|key| key.parse().ok());
                if let Some(why) = key.and_then(|key| self.why_kept(world, key)) {
                    self.violation(format!("the removal of {why} is asked for"));
                }
            }
            ("graph", "POST addPassword") => {
                self.issuers.extend(in_process::caller());
                if self.can_wait(world, &mailbox) {
                    self.violation("a credential is issued in a freeze".to_owned());
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
                    let detail: Json = serde_json::from_str(detail).unwrap_or_default();
                    let of_it = |m: &&Mailbox| detail["secret"] == m.secret.as_str();
                    let both = self.mailboxes();
                    let mailbox = both.iter().find(of_it).unwrap_or(&mailbox);
                    self.judge_event(world, mailbox, &entry["DetailType"], &detail);
                }
            }
            _ => {}
        }
    }

    fn judge_promotion(&mut self, world: &ModelWorld, mailbox: &Mailbox, asked: &Json) {
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

    fn judge_event(&mut self, world: &ModelWorld, mailbox: &Mailbox, kind: &Json, detail: &Json) {
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

    /// Whether a rotation has to wait for a freeze: the current secret works, did not leak, and its hard stop
    /// is yet to come.
    fn can_wait(&self, world: &ModelWorld, mailbox: &Mailbox) -> bool {
        let Some(key) = current_key(world, mailbox) else {
            return false;
        };
        let ends_late = |end: Timestamp| end.duration_since(world.clock.now()) > HARD_STOP;
        let credentials = world.directory.credentials(mailbox.app.app_id);
        let named = credentials.iter().find(|c| c.key_id == key);
        // Where the id is another's, what ends is the value.
        let document = current_document(world, mailbox).unwrap_or_default();
        let value = document["client_secret"].as_str().unwrap_or_default();
        let held = world.directory.credential_with_value(value);
        in_a_freeze(world, mailbox)
            && !leaked(world, mailbox, key)
            && standing(world, mailbox) == Standing::Accepted
            && named.is_some_and(|named| ends_late(named.end))
            && held.is_some_and(|held| ends_late(held.end))
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

    /// Whether an invocation issues a credential, or may have to make room for one.
    fn issues(&self, world: &ModelWorld, mailbox: &Mailbox, caller: u64) -> bool {
        let registration = world.directory.application(mailbox.app.app_id);
        let two_places =
            registration.is_some_and(|app| app.registration.sign_in_audience.includes_personal());
        two_places || self.issuers.contains(&caller)
    }

    fn why_kept(&self, world: &ModelWorld, key: Uuid) -> Option<&'static str> {
        let both = self.mailboxes();
        let app = both.first()?.app.app_id;
        if both.iter().any(|m| current_key(world, m) == Some(key)) {
            return Some("a current credential");
        }
        let credentials = world.directory.credentials(app);
        // What is gone, and only shown by a replica that lags, comes to no harm.
        let credential = credentials.iter().find(|c| c.key_id == key)?;
        if deeds::is_strangers(credential) {
            return Some("a stranger's credential");
        }
        let has_ended = credential.end <= world.clock.now();
        let labels = |m: &Mailbox| named_keys(world, m).remove(&key);
        let named: Vec<(&Mailbox, BTreeSet<String>)> =
            both.iter().filter_map(|m| Some((m, labels(m)?))).collect();
        if named.is_empty() {
            return self.why_an_orphan_is_kept(world, credential, has_ended);
        }
        let pending =
            |labels: &BTreeSet<String>| labels.contains(PENDING) && !labels.contains(CURRENT);
        if named.iter().any(|(_, labels)| pending(labels)) {
            return Some("a pending credential");
        }
        if has_ended {
            return None;
        }
        let value = world.directory.secret_value(key);
        let held = |m: &Mailbox| {
            let mut connections = connections(world, m).into_iter();
            connections.any(|c| c.secret.is_some() && c.secret == value)
        };
        if self.neighbour.as_ref().is_some_and(held) {
            return Some("what the neighbour's connection holds");
        }
        if named.iter().any(|(m, _)| leaked(world, m, key)) {
            return None;
        }
        // Who has let go of it, does not keep the other from removing it.
        let released = format!("released-{key}");
        let keeps = |labels: &BTreeSet<String>| both.len() == 1 || !labels.contains(&released);
        if named
            .iter()
            .any(|(m, labels)| keeps(labels) && frozen(world, m))
        {
            return Some("a credential that worked, in a freeze");
        }
        if named.iter().any(|(m, _)| is_attended(m) && held(m)) {
            return Some("what an attended connection holds");
        }
        self.last_current.get(&key)?;
        let over = self.quarantine_over(key, world.clock.now());
        (!over).then_some("a credential in quarantine")
    }

    /// What no label names goes only if a rotation of ours issued it; in a freeze only where a rotation that
    /// goes on needs its place, or takes back what it could not store.
    fn why_an_orphan_is_kept(
        &self,
        world: &ModelWorld,
        credential: &Credential,
        has_ended: bool,
    ) -> Option<&'static str> {
        let marker = credential.display_name.as_deref().and_then(Marker::read);
        let both = self.mailboxes();
        let issued = |m: &&Mailbox| {
            let marker = marker.as_ref();
            marker.is_some_and(|marker| matches!(marker.issued_by(&m.arn), IssuedBy::This))
        };
        let Some(mailbox) = both.iter().find(issued) else {
            return Some("a foreign credential");
        };
        let issues = in_process::caller().is_some_and(|caller| self.issues(world, mailbox, caller));
        let keeps = frozen(world, mailbox) && !has_ended && !issues;
        keeps.then_some("an orphan in a freeze")
    }
}

/// From here to its end a freeze no longer holds a rotation back.
const HARD_STOP: SignedDuration = SignedDuration::from_hours(7 * 24 + 1);

/// Whether a person has said that the version with this credential leaked.
fn leaked(world: &ModelWorld, mailbox: &Mailbox, key: Uuid) -> bool {
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

/// The calls that change something which is not ours where the secret is a replica.
const WRITES: [&str; 8] = [
    "PutSecretValue",
    "UpdateSecretVersionStage",
    "TagResource",
    "UntagResource",
    "RotateSecret",
    "POST addPassword",
    "POST removePassword",
    "PUT connection",
];

/// After so many undisturbed checks a client secret that is due has been renewed.
const FAIR: u32 = 4;

/// The longest that a step of a schedule may take, in the world's time.
pub const LONGEST_STEP: Duration = Duration::from_secs(24 * 3600);
