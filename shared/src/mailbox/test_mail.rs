//! The mail of a round trip: it goes out the sending way of a mailbox to the mailbox itself, and is looked for on the
//! receiving way.

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::ids::MailboxAddress;

/// What every subject begins with: for *Exclude Subject Expressions* of ShopCtrl's Auto Reply mail (docs/configuration.md).
pub const SUBJECT_PREFIX: &str = "[shopmail round trip]";

/// Nothing else keeps an auto-reply of Exchange's or of others from answering it (RFC 3834; ms-oxcmail, 2.1.3.2.20).
pub(crate) const NO_AUTO_RESPONSE: (&str, &str) = ("X-Auto-Response-Suppress", "All");

/// For whoever opens it.
pub(crate) const TEXT: &str = "This mail is a test: the system that renews ShopCtrl's client secret sent it from this mailbox to itself, to see that sending and receiving work. Nothing has to be done, and it can be deleted.";

/// One test mail.
#[derive(Debug, Clone)]
pub struct TestMail {
    /// Nobody can guess it; letters, digits and `-`.
    token: String,
    at: Timestamp,
}

impl TestMail {
    /// With a token that nobody can guess; what is no letter, digit or `-` of it is left out.
    #[must_use]
    pub fn new(token: &str, at: Timestamp) -> Self {
        let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
        Self {
            token: token.chars().filter(plain).take(64).collect(),
            at,
        }
    }

    /// By which ShopCtrl's list of mails is searched.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// When it was written.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Its subject.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("{SUBJECT_PREFIX} {}", self.token)
    }

    /// Whether a header is this mail's: by its whole subject, for a bounce of it or an answer to it has the token, too.
    pub(super) fn is_of(&self, header: &[u8]) -> bool {
        let header = String::from_utf8_lossy(header);
        // Folded lines begin with a space (RFC 5322, 2.2.3).
        let unfolded = header.replace("\r\n ", " ").replace("\r\n\t", " ");
        unfolded.lines().any(|line| {
            let field = line.split_once(':');
            field.is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("subject") && value.trim() == self.subject()
            })
        })
    }

    /// As it is sent by SMTP (RFC 5322), from and to the same address, which is of ASCII there.
    pub(super) fn message(&self, mailbox: &MailboxAddress) -> String {
        let date = DateTimePrinter::new().timestamp_to_string(&self.at);
        let (name, value) = NO_AUTO_RESPONSE;
        format!(
            "From: <{mailbox}>\r\n\
             To: <{mailbox}>\r\n\
             Subject: {}\r\n\
             Date: {}\r\n\
             Message-ID: <{}@shopmail.invalid>\r\n\
             Auto-Submitted: auto-generated\r\n\
             {name}: {value}\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\
             \r\n\
             {TEXT}\r\n",
            self.subject(),
            date.unwrap_or_default(),
            self.token,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_known_by_its_whole_subject_folded_or_not() {
        let mail = TestMail::new("5f0d9a2c", Timestamp::UNIX_EPOCH);
        let is_of = |header: &str| mail.is_of(header.as_bytes());
        let mailbox = MailboxAddress::read("orders@shop.example").unwrap();
        assert!(is_of(&mail.message(&mailbox)));
        assert!(
            !mail.message(&mailbox).contains("\r\n."),
            "SMTP would take off the dot"
        );
        assert!(is_of("SUBJECT: [shopmail round trip]\r\n 5f0d9a2c\r\n\r\n"));
        for other in [
            "Subject: Re: [shopmail round trip] 5f0d9a2c\r\n",
            "Subject: x\r\nIn-Reply-To: <5f0d9a2c@shopmail.invalid>\r\n",
            "X-Subject: [shopmail round trip] 5f0d9a2c\r\n",
            "",
        ] {
            assert!(!is_of(other), "{other}");
        }
    }
}
