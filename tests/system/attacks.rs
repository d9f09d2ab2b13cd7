//! The hand-over, tested as an attacker would: the secret is shown once for each press of the right
//! person in the right session, nothing but a statement of that person counts, and no page, header,
//! link or form carries a word of somebody else's. The sign-in before it is attacked in `links`;
//! docs/security.md has the table of all of it.

mod floods_and_failures;
mod foreign_words;
mod fresh_sign_in;
mod right_person;
mod session;
mod visit;
