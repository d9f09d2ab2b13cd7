//! The proofs that a client secret works: at Entra, at the mailboxes, in ShopCtrl.

pub(crate) mod connections;
pub(crate) mod direction;
pub(crate) mod mailboxes;
pub(crate) mod sign_in;
