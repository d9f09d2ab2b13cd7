//! Whether an account is the mailbox's: the one place that compares them.

use shared::grants::consents::Grants;
use shared::graph::account::Addresses;
use shared::ids::{DirectoryId, MailboxAddress};
use shared::mailbox_secret::SignInName;

/// Whose grant is stored for the mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantHolder {
    /// This account's: the pair of `oid` and `tid` never changes.
    ThisAccount,
    /// Another one's, whatever this account is called.
    AnotherAccount,
    /// Nobody has signed in yet: the first one is known by name.
    Nobody,
}

impl GrantHolder {
    pub(crate) fn of(
        grants: &Grants,
        mailbox: &MailboxAddress,
        oid: &DirectoryId,
        tid: &DirectoryId,
    ) -> Self {
        match grants.of(mailbox) {
            Some(known) if known.oid == *oid && known.tid == *tid => Self::ThisAccount,
            Some(_) => Self::AnotherAccount,
            None => Self::Nobody,
        }
    }
}

/// The names of an account, as Microsoft gives them. All of them may change, so they count once, at the first sign-in.
#[derive(Debug)]
pub(crate) enum AccountNames {
    /// All that Graph knows: `userPrincipalName` and the addresses.
    Graph(Addresses),
    /// `preferred_username` of the id token, the name of this sign-in. `email` is not read: who has no mailbox may
    /// have any (entra-docs, migrate-off-email-claim-authorization.md).
    Token(Option<String>),
}

impl AccountNames {
    pub(crate) fn contain(&self, expected: &SignInName) -> bool {
        match self {
            Self::Graph(addresses) => addresses.contain(expected.address()),
            Self::Token(name) => {
                let name = name.as_deref().and_then(MailboxAddress::read);
                name.as_ref() == Some(expected.address())
            }
        }
    }
}
