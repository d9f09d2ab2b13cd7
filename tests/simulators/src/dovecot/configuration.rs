//! What Dovecot reads when it starts: the templates in `tests/simulators/dovecot`, filled in.

use std::io::Result;
use std::net::SocketAddr;
use std::path::Path;

use super::process::Owner;
use super::{Addresses, HOST, scope, service};
use crate::microsoft::exchange::Protocol;
use crate::tls_authority::ServerIdentity;

pub(super) const MAIN: &str = "dovecot.conf";
/// Which protocols are off for which mailboxes.
pub(super) const SWITCHES: &str = "switches";

/// Writes it for these addresses: where it listens, where mail goes on to, whom it asks.
pub(super) fn write(
    folder: &Path,
    owner: &Owner,
    identity: &ServerIdentity,
    listens: &Addresses,
    relay: SocketAddr,
    entra: &str,
) -> Result<()> {
    let file = |name: &str, text: &str| owner.write(&folder.join(name), text);
    file("certificate.pem", identity.certificate_pem())?;
    file("key.pem", identity.key_pem())?;
    let directory = folder.display().to_string();
    let of_folder = |template| fill(template, &[("DIR", &directory)]);
    file(
        "switches.conf",
        &of_folder(include_str!("../../dovecot/switches.conf.in")),
    )?;
    file(
        "first_passdbs.conf",
        &of_folder(include_str!("../../dovecot/first_passdbs.conf.in")),
    )?;
    for protocol in Protocol::ALL {
        let filled = fill(
            include_str!("../../dovecot/oauth2.conf.in"),
            &[("ENTRA", entra), ("SCOPE", scope(protocol))],
        );
        file(&format!("oauth2.{}.conf", service(protocol)), &filled)?;
    }
    let filled = fill(
        include_str!("../../dovecot/dovecot.conf.in"),
        &[
            ("DIR", &directory),
            ("USER", &owner.user),
            ("GROUP", &owner.group),
            ("HOST", &HOST.to_string()),
            ("IMAP_PORT", &listens.imap.port().to_string()),
            ("POP3_PORT", &listens.pop3.port().to_string()),
            ("SMTP_PORT", &listens.smtp.port().to_string()),
            ("RELAY_PORT", &relay.port().to_string()),
        ],
    );
    file(MAIN, &filled)
}

/// A template with what stands between at signs replaced.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let text = template.to_owned();
    let put =
        |text: String, (name, value): &(&str, &str)| text.replace(&format!("@{name}@"), value);
    values.iter().fold(text, put)
}
