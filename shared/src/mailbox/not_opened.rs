//! Why a mailbox was not opened.

use std::fmt;
use std::io;

use secrecy::SecretString;

use super::refusal::{Meaning, Refusal};
use super::unusable::Unusable;
use crate::failure::{Failure, Kind};
use crate::mailbox_secret::Protocol;
use crate::retry::{CallError, Effect, Retry};

/// How a conversation with a mail server ended before the mailbox was open.
#[derive(Debug)]
pub(super) enum Ended {
    NotReached,
    Untrusted(Untrusted),
    NoStartTls,
    TimedOut,
    Closed,
    NotUnderstood,
    Refused(Refusal),
}

/// Why a server's certificate is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Untrusted {
    AnotherName,
    Expired,
    AnotherAuthority,
    NoTls,
}

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

impl Ended {
    pub(super) fn of_tls(error: &io::Error) -> Self {
        use rustls::CertificateError as Certificate;
        let error = error.get_ref().and_then(|error| error.downcast_ref());
        match error {
            Some(rustls::Error::InvalidCertificate(certificate)) => {
                Self::Untrusted(match certificate {
                    Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                        Untrusted::AnotherName
                    }
                    Certificate::Expired | Certificate::ExpiredContext { .. } => Untrusted::Expired,
                    _ => Untrusted::AnotherAuthority,
                })
            }
            Some(_) => Self::Untrusted(Untrusted::NoTls),
            None => Self::Closed,
        }
    }
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnotherName => "the server's certificate is for another host name",
            Self::Expired => "the server's certificate has ended",
            Self::AnotherAuthority => {
                "the server's certificate is of an authority that is not trusted"
            }
            Self::NoTls => "the server does not speak TLS as it should",
        })
    }
}

/// A mailbox that could not be opened the way that a connection uses it.
#[derive(Debug, Clone)]
pub struct NotOpened {
    /// What has to be mended, where that is known: all else may pass, or nobody knows what it is.
    pub unusable: Option<Unusable>,
    /// The error of the call.
    pub error: CallError,
}

impl NotOpened {
    pub(super) fn new(protocol: Protocol, token: &SecretString, ended: Ended) -> Self {
        let what = |how: &str| format!("opening the mailbox by {}: {how}", name(protocol));
        let passes = |how: &str, answered: bool| Self {
            unusable: None,
            error: CallError {
                effect: Effect::None,
                retry: Retry::Backoff,
                // As of an HTTP server: one that answers is no silent one.
                status: answered.then_some(503),
                failure: Failure::new(Kind::Temporary, what(how)),
            },
        };
        let setting = |how: &str, next_step: &str| Self {
            unusable: None,
            error: CallError::refused(
                Failure::new(Kind::Misconfigured, what(how)).next_step(next_step),
            ),
        };
        match ended {
            Ended::NotReached => passes("no connection could be made", false),
            Ended::TimedOut => passes("no answer within the time limit", false),
            Ended::Closed => passes("the server ended the connection", true),
            Ended::NotUnderstood => passes("the server's answer is not of the protocol", true),
            Ended::NoStartTls => setting(
                "the server offers no STARTTLS, and nothing is sent to it without",
                "See whether SMTP_SERVER names Exchange's submission port, smtp.office365.com:587.",
            ),
            Ended::Untrusted(untrusted) => setting(
                &untrusted.to_string(),
                "See whose server answers there. If it is your own gateway, its authority goes into TLS_EXTRA_ROOTS (README, Settings).",
            ),
            Ended::Refused(refusal) => {
                let meaning = refusal.meaning();
                let code = refusal.code;
                match meaning {
                    Meaning::Passes => {
                        let mut passes = passes("the server cannot take it now", true);
                        passes.error.failure = passes.error.failure.code(code);
                        passes
                    }
                    Meaning::Unusable(unusable) => {
                        let what = format!("opening the mailbox by {}", name(protocol));
                        Self::unusable(&what, unusable.of_token(token), &code)
                    }
                }
            }
        }
    }

    /// What Graph answers to who opens the inbox.
    #[must_use]
    pub fn by_graph(error: CallError) -> Self {
        Self {
            unusable: Unusable::of_graph(&error),
            error,
        }
    }

    /// What Entra says of the account.
    #[must_use]
    pub fn by_entra(unusable: Unusable, code: &str) -> Self {
        Self::unusable("opening the mailbox", unusable, code)
    }

    fn unusable(what: &str, unusable: Unusable, code: &str) -> Self {
        let what = format!("{what}: {}", unusable.meaning());
        let failure = Failure::new(Kind::Misconfigured, what)
            .code(code)
            .next_step(unusable.next_step());
        let mut error = CallError::refused(failure);
        if unusable.may_be_a_mistake() {
            error.retry = Retry::Once;
        }
        Self {
            unusable: Some(unusable),
            error,
        }
    }
}

fn name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Graph => "Microsoft Graph",
        Protocol::Imap => "IMAP",
        Protocol::Pop3 => "POP3",
        Protocol::Smtp => "SMTP",
    }
}
