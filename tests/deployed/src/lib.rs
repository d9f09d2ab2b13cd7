//! The templates, deployed through CloudFormation with the functions that are built, into an AWS that others wrote:
//! [MiniStack](https://ministack.org), as a process on a port of the system's choice, without a container.
//!
//! [`Beside`] adds the simulated Secrets Manager, Entra, Exchange and ShopCtrl. What MiniStack lacks is worked round in
//! the test's copy of the templates ([`Templates`]) and never in the templates; docs/decisions.md has the list.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "it serves tests, and fails as they do"
)]

pub mod beside;
pub mod checkout;
pub mod group;
pub mod lambda;
pub mod mini_stack;
mod pages;
pub mod programs;
pub mod relay;
pub mod site;
pub mod stacks;
pub mod templates;
pub mod terminal;
pub mod until;

pub use beside::Beside;
pub use checkout::Checkout;
pub use mini_stack::{Access, MiniStack};
pub use programs::Programs;
pub use site::Site;
pub use templates::{Template, Templates};
pub use terminal::Terminal;
