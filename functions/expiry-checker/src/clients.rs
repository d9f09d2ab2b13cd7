//! The settings and the clients of a check.

use std::time::Duration;

use shared::event_bus::EventBus;
use shared::failure::Failure;
use shared::http::Client;
use shared::ids::DirectoryId;
use shared::notifier_function::NotifierFunction;
use shared::rotation_function::RotationFunction;
use shared::secret_store::SecretStore;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::Settings;
use crate::pace::{Pace, TenantPace};

/// Made once in init, and lent to each check.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) settings: Settings,
    pub(crate) http: Client,
    patient: Client,
    pub(crate) store: SecretStore,
    pub(crate) events: EventBus,
    pub(crate) rotation: RotationFunction,
    pub(crate) notifier: Option<NotifierFunction>,
    /// Slots for the invocations of `rotation` that are waited for.
    pub(crate) invocations: Semaphore,
    rotate_turns: Pace,
    tag_turns: Pace,
    retire_turns: TenantPace,
}

/// Secrets Manager takes some fifty writes of each kind a second from all of an account and region (AWS quotas, "Combined
/// rate of TagResource and UntagResource API requests", "… CreateSecret, … RotateSecret"); people want theirs, too.
pub(crate) const TAGS_APART: Duration = Duration::from_millis(30);
/// Each start of a rotation takes Lambda's slots for minutes.
const ROTATIONS_APART: Duration = Duration::from_millis(100);

/// Each retirement asks Graph for a report, of which an app may have five in ten seconds in a tenant (Graph,
/// *Service-specific throttling limits*, "Identity and access reports").
const REPORTS: usize = 5;
const REPORTS_WITHIN: Duration = Duration::from_secs(10);
/// Quarantines end by the day: what would wait longer is for the next check.
const RETIREMENT_PATIENCE: Duration = Duration::from_secs(120);

impl Clients {
    /// `patient` waits for the answer of a step, which takes minutes.
    pub(crate) fn over(settings: Settings, http: &Client, patient: &Client) -> Self {
        let function = settings.rotation_function.clone();
        let notifier = settings.notifier_function.clone();
        let notifier = notifier
            .map(|name| NotifierFunction::new(&settings.aws, http, name, settings.slot_wait));
        Self {
            store: SecretStore::new(&settings.aws, http),
            events: EventBus::new(&settings.aws, http, settings.event_bus.clone()),
            rotation: RotationFunction::new(&settings.aws, patient, function, settings.slot_wait),
            notifier,
            http: http.clone(),
            patient: patient.clone(),
            invocations: Semaphore::new(settings.invocations_at_once),
            rotate_turns: Pace::one_each(ROTATIONS_APART),
            tag_turns: Pace::one_each(TAGS_APART),
            retire_turns: TenantPace::of(REPORTS, REPORTS_WITHIN),
            settings,
        }
    }

    /// Sets tags, when it is one's turn.
    pub(crate) async fn tag(&self, secret: &str, tags: &[(&str, String)]) -> Result<(), Failure> {
        self.tag_turns.turn().await;
        Ok(self.store.tag(secret, tags).await?)
    }

    /// Asks for a rotation, or to go on with one, when it is one's turn.
    pub(crate) async fn rotate(&self, secret: &str, token: Option<&str>) -> Result<(), Failure> {
        self.rotate_turns.turn().await;
        Ok(self.store.rotate(secret, token).await?)
    }

    /// Whether it is this tenant's turn for a retirement soon, which is waited for.
    pub(crate) async fn may_retire(&self, tenant: Option<DirectoryId>) -> bool {
        let turn = self.retire_turns.turn_within(tenant, RETIREMENT_PATIENCE);
        turn.await
    }

    /// A slot for an invocation that is waited for.
    pub(crate) async fn slot(&self) -> Option<SemaphorePermit<'_>> {
        self.invocations.acquire().await.ok()
    }

    /// How many calls these clients have made.
    pub(crate) fn calls(&self) -> u64 {
        self.http.calls() + self.patient.calls()
    }
}
