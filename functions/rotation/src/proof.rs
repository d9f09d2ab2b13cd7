//! The proofs that a client secret works: at Entra, at the mailboxes, in ShopCtrl.

pub(crate) mod connections;
pub(crate) mod direction;
pub(crate) mod grant;
pub(crate) mod mailboxes;
pub(crate) mod opening;
pub(crate) mod patience;
pub(crate) mod round_trip;
pub(crate) mod sign_in;
