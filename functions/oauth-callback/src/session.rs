//! What the browser carries between requests, sealed, and whose it is.

pub(crate) mod ended;
pub(crate) mod owner;
pub(crate) mod sealed_cookie;
pub(crate) mod sign_in;
pub(crate) mod signed_in;
