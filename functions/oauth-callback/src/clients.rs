//! The settings and the clients that every request shares.

use shared::event_bus::EventBus;
use shared::http::Client;
use shared::rotation_function::RotationFunction;
use shared::secret_store::SecretStore;

use crate::settings::Settings;

#[derive(Debug)]
pub(crate) struct Clients {
    pub settings: Settings,
    pub http: Client,
    pub store: SecretStore,
    pub events: EventBus,
    pub rotation: RotationFunction,
}

impl Clients {
    pub fn over(settings: Settings, http: Client) -> Self {
        let store = SecretStore::new(&settings.aws, &http);
        let events = EventBus::new(&settings.aws, &http, settings.event_bus.clone());
        let function = settings.rotation_function.clone();
        let rotation = RotationFunction::new(&settings.aws, &http, function, settings.slot_wait);
        Self {
            settings,
            http,
            store,
            events,
            rotation,
        }
    }
}
