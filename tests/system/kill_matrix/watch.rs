//! What must hold at every moment of a run: seen at each call before it takes effect, and by looking
//! at ShopCtrl all the time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use simulators::aws::secrets_manager::{CURRENT, PENDING};
use simulators::gate::Call;
use simulators::microsoft::directory::Standing;
use simulators::shopctrl::OutageCause;
use simulators::world::World;
use uuid::Uuid;

use crate::support::Scenario;

const QUARANTINE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// What was seen that must not be.
#[derive(Debug, Clone, Default)]
pub struct Violations(Arc<Mutex<Vec<String>>>);

impl Violations {
    fn note(&self, violation: String) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains(&violation) {
            all.push(violation);
        }
    }

    pub fn all(&self) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }
}

/// Looks at each call before it takes effect.
#[derive(Debug)]
pub struct Watch {
    pub violations: Violations,
    /// Since when another credential than the first is current.
    promoted: Option<Timestamp>,
    /// Whether a grant was ever there.
    granted: bool,
}

impl Watch {
    pub fn new(violations: Violations) -> Self {
        Self {
            violations,
            promoted: None,
            granted: false,
        }
    }

    pub fn look_at(&mut self, scenario: &Scenario, call: &Call) {
        if self.promoted.is_none() && scenario.current_key() != scenario.mailbox.first_key {
            self.promoted = Some(scenario.world.clock.now());
        }
        let grant = scenario.grant();
        let works = grant.as_ref().is_some_and(|grant| {
            let token = grant["refresh_token"].as_str().unwrap_or_default();
            scenario.world.directory.refresh_token_works(token)
        });
        if self.granted && !works {
            self.violations.note("a good grant was lost".to_owned());
        }
        self.granted |= works;
        if ["imap", "smtp"].contains(&call.service) && scenario.test_mails() > 0 {
            let sends = call.operation == "DATA continued";
            if sends || scenario.test_mails() > 1 {
                let twice = "a test mail was sent though one was there already";
                self.violations.note(twice.to_owned());
            }
        }
        match (call.service, call.operation.as_str()) {
            ("graph", "POST removePassword") => {
                let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
                let key = body["keyId"].as_str().and_then(|key| key.parse().ok());
                if let Some(reason) = key.and_then(|key| self.why_kept(scenario, key)) {
                    self.violations
                        .note(format!("a removal of {reason} was asked for"));
                }
            }
            ("events", _) if tells(call, "Client Secret Rotated") => {
                let new = scenario
                    .world
                    .directory
                    .secret_value(scenario.current_key())
                    .filter(|_| scenario.current_key() != scenario.mailbox.first_key);
                let connections = scenario.world.shopctrl.connections();
                if new.is_none() || connections.iter().any(|c| c.secret != new) {
                    let told =
                        "Client Secret Rotated was told before it was true of both directions";
                    self.violations.note(told.to_owned());
                }
            }
            _ => {}
        }
    }

    fn why_kept(&self, scenario: &Scenario, key: Uuid) -> Option<&'static str> {
        if key == scenario.mailbox.foreign_key {
            return Some("the foreign credential");
        }
        if key == scenario.current_key() {
            return Some("the current credential");
        }
        let secret = scenario.secret();
        let label = format!("key-{key}");
        let named_by = |of: &str| {
            secret
                .labelled(of)
                .is_some_and(|v| v.labels.contains(&label))
        };
        if named_by(CURRENT) {
            return Some("what the current version names");
        }
        if named_by(PENDING) {
            return Some("the pending credential");
        }
        let over = self
            .promoted
            .is_some_and(|since| scenario.world.clock.now().duration_since(since) >= QUARANTINE);
        (key == scenario.mailbox.first_key && !over).then_some("a credential in quarantine")
    }
}

fn tells(call: &Call, kind: &str) -> bool {
    let body: Value = serde_json::from_slice(&call.body).unwrap_or_default();
    let entries = body["Entries"].as_array();
    entries.is_some_and(|entries| entries.iter().any(|entry| entry["DetailType"] == kind))
}

/// Looks at ShopCtrl every few milliseconds, until it is aborted.
pub async fn watch_mail(world: Arc<World>, violations: Violations, attended: bool) {
    loop {
        for outage in world.shopctrl.outages() {
            let avoidable = match outage.cause {
                // Replicas that disagree for a moment are not ours to mend.
                OutageCause::SecretRefused(Standing::Disputed) => false,
                OutageCause::NotAuthorized => !attended,
                _ => true,
            };
            if avoidable {
                violations.note(format!(
                    "mail stood still at {}: {:?}",
                    outage.connection_id, outage.cause
                ));
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
