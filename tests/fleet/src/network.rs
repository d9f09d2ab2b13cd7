//! What stands between the functions and the services: so much time for each call, and a tenant that gives no answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use simulators::aws::lambda::in_process::InProcessHost;
use simulators::gate::{Call, Fault};
use simulators::microsoft::directory::Directory;
use simulators::world::World;
use tokio::time::Instant;
use uuid::Uuid;

/// Each remote call takes this long.
const LATENCY: Duration = Duration::from_millis(50);

/// A service that gives no answer for a tenant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hang {
    Entra(Uuid),
    Graph(Uuid),
}

/// What is seen of the calls.
#[derive(Debug, Default)]
pub(crate) struct Network(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    hang: Option<Hang>,
    /// When the last report was asked to be published.
    reported: Option<Instant>,
    /// Calls that a check of which every look is light has as well.
    light: u64,
}

impl Network {
    /// From now on all calls of the world go through it.
    pub(crate) fn before(world: &World<InProcessHost>) -> Arc<Self> {
        let network = Arc::new(Self::default());
        let (at_call, directory) = (Arc::clone(&network), Arc::clone(&world.directory));
        world
            .gate
            .direct(move |call| Some(at_call.fault(call, &directory)));
        network
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fault(&self, call: &Call, directory: &Directory) -> Fault {
        let mut state = self.state();
        if is_report(call) {
            state.reported = Some(Instant::now());
        }
        state.light += u64::from(is_light(call));
        match state.hang.is_some_and(|hang| hang.is_met(call, directory)) {
            true => Fault::Hang { effect: false },
            false => Fault::Delay(LATENCY),
        }
    }

    /// From now on a service gives no answer for a tenant, or each does again.
    pub(crate) fn hang(&self, hang: Option<Hang>) {
        self.state().hang = hang;
    }

    /// Begins to count anew.
    pub(crate) fn clear(&self) {
        let mut state = self.state();
        (state.light, state.reported) = (0, None);
    }

    /// The light part of the calls since then.
    pub(crate) fn light(&self) -> u64 {
        self.state().light
    }

    /// When the report was published.
    pub(crate) fn reported(&self) -> Option<Instant> {
        self.state().reported.map(|asked| asked + LATENCY)
    }
}

impl Hang {
    fn is_met(self, call: &Call, directory: &Directory) -> bool {
        match self {
            Self::Entra(tenant) => {
                call.service == "entra" && call.uri.contains(&tenant.to_string())
            }
            Self::Graph(tenant) => {
                call.service == "graph" && caller(call, directory) == Some(tenant)
            }
        }
    }
}

/// The tenant of whoever calls Graph.
fn caller(call: &Call, directory: &Directory) -> Option<Uuid> {
    let bearer = call.headers.get("authorization")?.to_str().ok()?;
    let token = directory.access_token(bearer.strip_prefix("Bearer ")?)?;
    Some(directory.application(token.app_id)?.tenant_id)
}

fn is_report(call: &Call) -> bool {
    let body = String::from_utf8_lossy(&call.body);
    call.service == "events" && body.contains("\"Fleet Report\"")
}

/// List, looks, one token of the account's for each, a token and a list of apps for each rotator, and the report.
fn is_light(call: &Call) -> bool {
    let body = || String::from_utf8_lossy(&call.body);
    match (call.service, call.operation.as_str()) {
        ("secretsmanager", "ListSecrets")
        | ("lambda", "Invoke rotation")
        | ("sts" | "events", _)
        | ("graph", "GET ownedObjects" | "POST $batch") => true,
        // A rotator proves itself by the account's word, an app that is looked at deeply by its secret.
        ("entra", _) => body().contains("client_assertion="),
        _ => false,
    }
}
