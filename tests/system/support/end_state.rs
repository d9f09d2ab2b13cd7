//! What must be true when all is done, checked in full.

use shared::credential::{IssuedBy, Marker};
use simulators::aws::secrets_manager::{CURRENT, PENDING};
use uuid::Uuid;

use super::Scenario;

impl Scenario {
    /// The credential that the current version names, by its label and by its value.
    pub fn current_key(&self) -> Uuid {
        let secret = self.secret();
        let current = secret.labelled(CURRENT).expect("one AWSCURRENT");
        let document: serde_json::Value = serde_json::from_str(current.text().unwrap()).unwrap();
        document["key_id"].as_str().unwrap().parse().unwrap()
    }

    /// All is as a rotation leaves it, and nothing foreign was touched.
    pub fn assert_whole(&self) {
        assert_eq!(self.world.iam.refused(), Vec::<String>::new());
        self.assert_one_secret_everywhere();
        self.assert_foreign_is_untouched();
    }

    /// The credential that is somebody else's is still there.
    pub fn assert_foreign_is_untouched(&self) {
        assert!(
            self.keys().contains(&self.mailbox.foreign_key),
            "the foreign credential is untouched"
        );
    }

    /// Exactly one AWSCURRENT, its credential valid in Entra and named by its label, AWSPENDING nowhere
    /// else; both directions Authorized with exactly this secret; no orphan.
    pub fn assert_one_secret_everywhere(&self) {
        let secret = self.secret();
        let current = secret.labelled(CURRENT).expect("one AWSCURRENT");
        let key = self.current_key();
        assert!(
            current.labels.contains(&format!("key-{key}")),
            "the current version's label names its credential: {:?}",
            current.labels
        );
        if let Some(pending) = secret.labelled(PENDING) {
            assert_eq!(pending.id, current.id, "AWSPENDING is nowhere else");
        }
        let credentials = self.credentials();
        let ours = credentials
            .iter()
            .find(|c| c.key_id == key)
            .expect("it is in Entra");
        assert!(ours.end > self.world.clock.now(), "it is valid");
        let document: serde_json::Value = serde_json::from_str(current.text().unwrap()).unwrap();
        assert_eq!(
            self.world.directory.secret_value(key).as_deref(),
            document["client_secret"].as_str(),
            "the value is the credential's"
        );
        for connection in self.world.shopctrl.connections() {
            if connection.shop_id == self.mailbox.shop_id {
                assert_eq!(connection.status, simulators::shopctrl::Status::Authorized);
                assert_eq!(
                    connection.secret.as_deref(),
                    document["client_secret"].as_str()
                );
            }
        }
        assert_eq!(self.world.shopctrl.outages(), vec![], "no direction is out");
        assert_eq!(self.orphans(), Vec::<Uuid>::new(), "no orphan");
    }

    /// Credentials with our marker that no label names.
    pub fn orphans(&self) -> Vec<Uuid> {
        let secret = self.secret();
        let labels: Vec<&String> = secret.versions.iter().flat_map(|v| &v.labels).collect();
        let named = |key: Uuid| labels.iter().any(|label| label.ends_with(&key.to_string()));
        let credentials = self.credentials();
        credentials
            .iter()
            .filter(|c| {
                c.display_name
                    .as_deref()
                    .and_then(Marker::read)
                    .is_some_and(|marker| marker.issued_by(&self.mailbox.arn) != IssuedBy::Another)
            })
            .map(|c| c.key_id)
            .filter(|key| !named(*key))
            .collect()
    }

    /// A tag of the mailbox secret.
    pub fn tag(&self, key: &str) -> Option<String> {
        let secret = self.secret();
        secret.tags.get(key).cloned()
    }

    /// The credential ids on the app registration.
    pub fn keys(&self) -> Vec<Uuid> {
        let credentials = self.credentials();
        credentials.iter().map(|c| c.key_id).collect()
    }
}
