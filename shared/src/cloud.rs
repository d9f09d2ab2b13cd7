//! Microsoft's clouds, and where each is reached.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::config::{BaseUrl, Reader};
use crate::ids::DirectoryId;
use crate::mailbox_secret::Protocol;

/// A Microsoft cloud. Hosts come from this table and never from a document
/// (graph-docs, concepts/deployments.md; entra-docs, authentication-national-cloud.md).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Deserialize, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Cloud {
    /// The worldwide service, GCC included.
    #[default]
    Global,
    /// US Government L4 (GCC High).
    UsGov,
    /// US Government L5 (DoD).
    UsDod,
    /// China, operated by 21Vianet.
    China,
}

impl Cloud {
    const ALL: [Self; 4] = [Self::Global, Self::UsGov, Self::UsDod, Self::China];

    /// Its name in a document.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::UsGov => "us-gov",
            Self::UsDod => "us-dod",
            Self::China => "china",
        }
    }

    /// The cloud with this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cloud| cloud.name() == name)
    }

    fn authority(self) -> &'static str {
        match self {
            Self::Global => "https://login.microsoftonline.com",
            Self::UsGov | Self::UsDod => "https://login.microsoftonline.us",
            Self::China => "https://login.partner.microsoftonline.cn",
        }
    }

    /// Its Microsoft Graph.
    #[must_use]
    pub fn graph(self) -> &'static str {
        match self {
            Self::Global => "https://graph.microsoft.com",
            Self::UsGov => "https://graph.microsoft.us",
            Self::UsDod => "https://dod-graph.microsoft.us",
            Self::China => "https://microsoftgraph.chinacloudapi.cn",
        }
    }

    /// The audience that Entra expects in a federated token.
    #[must_use]
    pub fn federation_audience(self) -> &'static str {
        match self {
            Self::Global => "api://AzureADTokenExchange",
            Self::UsGov | Self::UsDod => "api://AzureADTokenExchangeUSGov",
            Self::China => "api://AzureADTokenExchangeChina",
        }
    }

    /// The resource of the mail protocols' scopes. Documented for the global cloud only; the
    /// others' hosts are those commonly used.
    fn outlook(self) -> &'static str {
        match self {
            Self::Global => "https://outlook.office.com",
            Self::UsGov => "https://outlook.office365.us",
            Self::UsDod => "https://outlook-dod.office365.us",
            Self::China => "https://partner.outlook.cn",
        }
    }

    /// Documented for the global cloud (how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth.md); the others'
    /// are those commonly used (davmail#341; docs/beliefs.md), which is one reason why settings can name others.
    fn mail_servers(self) -> MailServers {
        let (receiving, sending) = match self {
            Self::Global => ("outlook.office365.com", "smtp.office365.com"),
            Self::UsGov => ("outlook.office365.us", "smtp.office365.us"),
            Self::UsDod => ("outlook-dod.office365.us", "outlook-dod.office365.us"),
            Self::China => ("partner.outlook.cn", "smtp.partner.outlook.cn"),
        };
        MailServers {
            imap: MailServer::new(receiving, 993),
            pop3: MailServer::new(receiving, 995),
            smtp: MailServer::new(sending, 587),
        }
    }
}

/// A server of mail's, by its name and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    host: String,
    port: u16,
}

impl MailServer {
    fn new(host: &str, port: u16) -> Self {
        Self {
            host: host.to_owned(),
            port,
        }
    }

    /// Its name, which its certificate has to have.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// The text does not name a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a server such as outlook.office365.com:993")]
pub struct NotAServer;

impl FromStr for MailServer {
    type Err = NotAServer;

    fn from_str(text: &str) -> Result<Self, NotAServer> {
        let (host, port) = text.rsplit_once(':').ok_or(NotAServer)?;
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let port = port.parse().map_err(|_| NotAServer)?;
        match !host.is_empty() && host.chars().all(plain) {
            true => Ok(Self::new(host, port)),
            false => Err(NotAServer),
        }
    }
}

/// Where a cloud's mail protocols are reached: IMAP and POP3 with TLS from the first byte, SMTP with STARTTLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServers {
    /// `outlook.office365.com:993`
    pub imap: MailServer,
    /// `outlook.office365.com:995`
    pub pop3: MailServer,
    /// `smtp.office365.com:587`
    pub smtp: MailServer,
}

impl MailServers {
    /// The server of a protocol; Graph has none.
    #[must_use]
    pub fn of(&self, protocol: Protocol) -> Option<&MailServer> {
        match protocol {
            Protocol::Graph => None,
            Protocol::Imap => Some(&self.imap),
            Protocol::Pop3 => Some(&self.pop3),
            Protocol::Smtp => Some(&self.smtp),
        }
    }
}

/// Other addresses than the cloud's own: for a machine or a gateway of one's own.
#[derive(Debug, Clone, Default)]
pub struct MicrosoftSettings {
    entra: Option<BaseUrl>,
    graph: Option<BaseUrl>,
    imap: Option<MailServer>,
    pop3: Option<MailServer>,
    smtp: Option<MailServer>,
}

impl MicrosoftSettings {
    /// Reads `ENTRA_URL` (in place of `https://login.microsoftonline.com`), `GRAPH_URL` (of
    /// `https://graph.microsoft.com`), `IMAP_SERVER` (of `outlook.office365.com:993`), `POP3_SERVER` (of
    /// `outlook.office365.com:995`) and `SMTP_SERVER` (of `smtp.office365.com:587`).
    pub fn read<F: Fn(&str) -> Option<String>>(reader: &mut Reader<F>) -> Self {
        Self {
            entra: reader.optional("ENTRA_URL"),
            graph: reader.optional("GRAPH_URL"),
            imap: reader.optional("IMAP_SERVER"),
            pop3: reader.optional("POP3_SERVER"),
            smtp: reader.optional("SMTP_SERVER"),
        }
    }

    /// Where this cloud is reached.
    #[must_use]
    pub fn endpoints(&self, cloud: Cloud) -> Endpoints {
        let or =
            |url: &Option<BaseUrl>, own: &str| url.as_ref().map_or(own, BaseUrl::as_str).to_owned();
        let own = cloud.mail_servers();
        Endpoints {
            authority: or(&self.entra, cloud.authority()),
            graph: or(&self.graph, cloud.graph()),
            mail: MailServers {
                imap: self.imap.clone().unwrap_or(own.imap),
                pop3: self.pop3.clone().unwrap_or(own.pop3),
                smtp: self.smtp.clone().unwrap_or(own.smtp),
            },
            cloud,
        }
    }
}

/// Where a cloud is reached.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// `https://login.microsoftonline.com`
    pub authority: String,
    /// `https://graph.microsoft.com`
    pub graph: String,
    /// Where the mail protocols are.
    pub mail: MailServers,
    /// The cloud itself, by whose names scopes are asked for.
    pub cloud: Cloud,
}

impl Endpoints {
    /// A scope of Graph. It is named after the cloud's own Graph, wherever that is reached.
    #[must_use]
    pub fn graph_scope(&self, name: &str) -> String {
        format!("{}/{name}", self.cloud.graph())
    }

    /// A scope of the mail protocols: `IMAP.AccessAsUser.All`, `SMTP.Send`, …
    #[must_use]
    pub fn outlook_scope(&self, name: &str) -> String {
        format!("{}/{name}", self.cloud.outlook())
    }

    /// An address below the tenant's: `oauth2/v2.0/token`, `discovery/v2.0/keys`, …
    #[must_use]
    pub fn tenant_url(&self, tenant: &DirectoryId, path: &str) -> String {
        format!("{}/{tenant}/{path}", self.authority)
    }
}
