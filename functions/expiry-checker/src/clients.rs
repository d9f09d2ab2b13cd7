//! The settings and the clients of a check.

use shared::event_bus::EventBus;
use shared::http::Client;
use shared::rotation_function::RotationFunction;
use shared::secret_store::SecretStore;

use crate::Settings;

/// Made once in init, and lent to each check.
#[derive(Debug)]
pub(crate) struct Clients {
    pub(crate) settings: Settings,
    pub(crate) http: Client,
    patient: Client,
    pub(crate) store: SecretStore,
    pub(crate) events: EventBus,
    pub(crate) rotation: RotationFunction,
}

impl Clients {
    /// `patient` waits for the answer of a step, which takes minutes.
    pub(crate) fn over(settings: Settings, http: &Client, patient: &Client) -> Self {
        let function = settings.rotation_function.clone();
        Self {
            store: SecretStore::new(&settings.aws, http),
            events: EventBus::new(&settings.aws, http, settings.event_bus.clone()),
            rotation: RotationFunction::new(&settings.aws, patient, function),
            http: http.clone(),
            patient: patient.clone(),
            settings,
        }
    }
    /// How many calls these clients have made.
    pub(crate) fn calls(&self) -> u64 {
        self.http.calls() + self.patient.calls()
    }
}
