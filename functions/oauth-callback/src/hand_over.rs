//! A hand-over: what of it is open for the person who signed in, and what they are shown. Nothing here asks
//! anybody.

pub(crate) mod calendar;
pub(crate) mod context;
pub(crate) mod hints;
pub(crate) mod observation;
pub(crate) mod reveal;
pub(crate) mod statement;
pub(crate) mod task;
pub(crate) mod way;
