//! The credentials of an app registration in Entra: issuing them, telling whose they are, removing them.

pub(crate) mod adoption;
pub(crate) mod issuing;
pub(crate) mod lost;
pub(crate) mod orphans;
pub(crate) mod removal;
pub(crate) mod room;
pub(crate) mod superseded;
pub(crate) mod warning;
