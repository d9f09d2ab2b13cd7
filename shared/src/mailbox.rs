//! The mailbox itself, reached with a person's grant: does it work, without changing anything?

pub mod graph;
