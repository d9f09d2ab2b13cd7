//! Microsoft's clouds, and where each is reached.

use serde::{Deserialize, Serialize};

use crate::config::{BaseUrl, Reader};
use crate::ids::DirectoryId;

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

    fn graph(self) -> &'static str {
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
            Self::UsGov | Self::UsDod => "https://outlook.office365.us",
            Self::China => "https://partner.outlook.cn",
        }
    }
}

/// Other addresses than the cloud's own: for a machine of one's own.
#[derive(Debug, Clone, Default)]
pub struct MicrosoftSettings {
    entra: Option<BaseUrl>,
    graph: Option<BaseUrl>,
}

impl MicrosoftSettings {
    /// Reads `ENTRA_URL` (in place of `https://login.microsoftonline.com`) and `GRAPH_URL` (in place
    /// of `https://graph.microsoft.com`).
    pub fn read<F: Fn(&str) -> Option<String>>(reader: &mut Reader<F>) -> Self {
        Self {
            entra: reader.optional("ENTRA_URL"),
            graph: reader.optional("GRAPH_URL"),
        }
    }

    /// Where this cloud is reached.
    #[must_use]
    pub fn endpoints(&self, cloud: Cloud) -> Endpoints {
        let or =
            |url: &Option<BaseUrl>, own: &str| url.as_ref().map_or(own, BaseUrl::as_str).to_owned();
        Endpoints {
            authority: or(&self.entra, cloud.authority()),
            graph: or(&self.graph, cloud.graph()),
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
