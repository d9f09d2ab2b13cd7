//! The stored grants: the owner's refresh token, as the companion secret has it.

use serde_json::Value;
use simulators::aws::secrets_manager::CURRENT;

use super::Scenario;

impl Scenario {
    /// The current text of a secret.
    pub fn current_text(&self, secret: &str) -> String {
        let secret = self.world.secrets_manager.snapshot(secret).unwrap();
        let current = secret.labelled(CURRENT).expect("one AWSCURRENT");
        current.text().unwrap().to_owned()
    }

    /// The stored grant of the mailbox's own address.
    pub fn grant(&self) -> Option<Value> {
        self.grant_of(&self.mailbox.address)
    }

    /// The stored grant of an address.
    pub fn grant_of(&self, address: &str) -> Option<Value> {
        let text = self.current_text(&format!("{}/grants", self.mailbox.secret));
        let grants: Value = serde_json::from_str(&text).unwrap();
        grants["grants"].get(address.to_lowercase()).cloned()
    }

    /// The grant is the owner's and works, and no writer left a label behind.
    pub fn assert_granted(&self) {
        let grant = self.grant().expect("a grant");
        assert_eq!(grant["oid"], self.mailbox.oid.to_string());
        assert_eq!(grant["tid"], self.world.tenant().to_string());
        let token = grant["refresh_token"].as_str().unwrap();
        assert!(self.world.directory.refresh_token_works(token), "it works");
        self.assert_no_candidate();
    }

    /// No label of a writer of grants is left.
    pub fn assert_no_candidate(&self) {
        let companion = format!("{}/grants", self.mailbox.secret);
        let companion = self.world.secrets_manager.snapshot(&companion).unwrap();
        let mut labels = companion.versions.iter().flat_map(|v| &v.labels);
        let left = labels.find(|label| label.starts_with("candidate-"));
        assert_eq!(left, None, "no label is left behind");
    }
}
