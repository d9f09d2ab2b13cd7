//! What ShopCtrl's connections hold, and how they get a client secret.

pub(crate) mod deliver;
pub(crate) mod held;
pub(crate) mod logins;
pub(crate) mod put_back;
