//! The life cycles. Another one is another file here, and a line.

mod by_imap_and_smtp;
mod by_itself;
mod owner_signs_in;
mod person_hands_over;
mod two_client_secrets;

use super::life::Life;

/// In the order of docs/reliability.md. The first is tried in full.
pub const LIVES: [&Life; 5] = [
    &by_itself::LIFE,
    &owner_signs_in::LIFE,
    &person_hands_over::LIFE,
    &two_client_secrets::LIFE,
    &by_imap_and_smtp::LIFE,
];
