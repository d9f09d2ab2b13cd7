//! Microsoft Entra: the token endpoint, sign-in, what its refusals mean, the rotator.

pub mod id_token;
pub mod refusal;
pub mod rotator;
pub mod sign_in;
pub mod token;

use crate::cloud::Endpoints;
use crate::ids::DirectoryId;

/// An app registration in its tenant.
#[derive(Debug, Clone)]
pub struct App {
    /// Where its cloud is reached.
    pub endpoints: Endpoints,
    /// Its tenant.
    pub tenant: DirectoryId,
    /// Its application (client) id.
    pub client_id: DirectoryId,
}
