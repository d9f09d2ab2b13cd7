//! The system's behaviour, on the real binaries against the simulated world: one module for each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod a_persons_steps;
mod actions;
mod alarms;
mod answers;
mod attacks;
mod attended;
mod backstop;
mod bad_input;
mod calendar;
mod calls;
mod configuration_test;
mod deletions;
mod delivery;
mod delivery_order;
mod documents;
mod expiry_checker;
mod first_secret;
mod fleet;
mod foreign_secrets_manager;
mod hand_over;
mod id_tokens;
mod in_a_browser;
mod issuing;
mod kill_matrix;
mod labels;
mod leaks;
mod leftovers;
mod links;
mod logs;
mod mail;
mod mail_protocols;
mod many_values;
mod model;
mod odd_answers;
mod onboarding;
mod permissions;
mod policy;
mod preflight;
mod preflight_of_mail;
mod recovery;
mod repeated_steps;
mod restraint;
mod security_table;
mod sign_in;
mod sign_in_name;
mod silence;
mod superseded;
mod support;
mod under_lambdas_emulator;
mod ways_on;
mod whole_rotation;
mod whose;
