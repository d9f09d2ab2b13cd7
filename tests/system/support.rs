//! What tests of several modules use. There is no test in here.

pub mod attempts;
pub mod callback_log;
pub mod chromium;
mod end_state;
mod events;
pub mod faults;
pub mod forward;
mod grants;
pub mod hand_over;
pub mod person;
pub mod picture;
pub mod samples;
pub mod scenario;
pub mod steps;
pub mod tickets;
pub mod visitor;

pub use ::in_process;
pub use scenario::Scenario;
pub use simulators::left_out;
