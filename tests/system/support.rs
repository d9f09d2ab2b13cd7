//! What tests of several modules use. There is no test in here.

pub mod callback_log;
pub mod visitor;
