//! Attestations: what people said of a hand-over, by which a rotation knows that a connection without an API
//! has the new secret. They are kept beside the grants, in [`super`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{ConnectionId, DirectoryId};

/// What a person attested of one connection.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Attestation {
    /// How far the hand-over is.
    pub state: HandOverState,
    /// The account that attested it (`oid`).
    pub attested_by: DirectoryId,
    /// By ShopCtrl's clock, where it could be asked.
    pub at: Timestamp,
    /// What the statement rests on, in the page's words.
    // Documents that an earlier build wrote have the other name.
    #[serde(alias = "rests_on")]
    pub evidence: String,
}

/// How far a hand-over is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HandOverState {
    /// The person says that ShopCtrl shows Status Authorized.
    Attested,
    /// The person says that ShopCtrl does not.
    Failed,
}

/// By rotation token, then by connection id.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Attestations(BTreeMap<String, BTreeMap<String, Attestation>>);

impl Attestations {
    /// What was last attested of a connection in a rotation.
    #[must_use]
    pub fn of(&self, token: &str, connection: &ConnectionId) -> Option<&Attestation> {
        self.0.get(token)?.get(connection.as_str())
    }

    /// Whether a person attested this connection in this rotation.
    #[must_use]
    pub fn attested(&self, token: &str, connection: &ConnectionId) -> bool {
        let attestation = self.of(token, connection);
        attestation.is_some_and(|attestation| attestation.state == HandOverState::Attested)
    }

    /// Keeps what was attested.
    pub fn set(&mut self, token: &str, connection: &ConnectionId, attestation: Attestation) {
        let of_rotation = self.0.entry(token.to_owned()).or_default();
        of_rotation.insert(connection.to_string(), attestation);
    }

    /// Drops the attestations of the rotations that are not to be kept.
    pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|token, _| keep(token));
    }
}
