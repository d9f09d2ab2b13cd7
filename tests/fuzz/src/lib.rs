//! What each parser of foreign input keeps to, whatever it is given. Each property is one function:
//! libFuzzer calls it with what it makes up (`fuzz_targets/`), the tests with what is in `corpus/`.
//!
//! The parsers are reached as everybody reaches them, through the functions and clients that use them;
//! the HTTP client's seam stands in for the network.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a property fails by panicking"
)]

pub mod callback_query;
mod canned;
pub mod graph_errors;
pub mod graph_reads;
pub mod id_tokens;
pub mod mail_servers;
pub mod mailbox_document;
pub mod rotation_event;
mod said;
pub mod shopctrl_answers;
pub mod ticket;
pub mod token_errors;

/// A property, and the name of its target and of its folder in `corpus/`.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 10] = [
    ("callback_query", callback_query::property),
    ("graph_errors", graph_errors::property),
    ("graph_reads", graph_reads::property),
    ("id_tokens", id_tokens::property),
    ("mail_servers", mail_servers::property),
    ("mailbox_document", mailbox_document::property),
    ("rotation_event", rotation_event::property),
    ("shopctrl_answers", shopctrl_answers::property),
    ("ticket", ticket::property),
    ("token_errors", token_errors::property),
];
