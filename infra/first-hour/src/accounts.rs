//! Who is asked: each of AWS, Entra and ShopCtrl, or why it is not.

use std::time::Duration;

use shared::aws::AwsSettings;
use shared::cloud::MicrosoftSettings;
use shared::config::Reader;
use shared::failure::Failure;
use shared::http::tls::ExtraRoots;
use shared::http::{Client, Limits};
use shared::period::Period;

use crate::arguments::Options;
use crate::aws::{Aws, identity, labels, lateness, mail, refusals, rotation};
use crate::entra::{
    Entra, at_once, credentials, federation, new_secrets, operator, ownership, refresh_token,
    two_secrets, whole_rotation,
};
use crate::findings::Findings;
use crate::marker::Run;
use crate::probes::Probe;
use crate::shopctrl::Shop;

/// The accounts of a run.
pub struct Accounts {
    pub aws: Result<Aws, Failure>,
    pub entra: Result<Entra, Failure>,
    shop: Result<Shop, Failure>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Accounts {
    /// As the environment and the options name them.
    pub async fn connect(options: &Options, run: &Run) -> Result<Self, Failure> {
        let mut reader = Reader::new(variable);
        let limits = Limits {
            connect: reader.or("CONNECT_TIMEOUT", Period::from(Duration::from_secs(5))),
            request: reader.or("REQUEST_TIMEOUT", Period::from(Duration::from_secs(20))),
        };
        let roots = reader.or("TLS_EXTRA_ROOTS", ExtraRoots::default());
        let microsoft = MicrosoftSettings::read(&mut reader);
        reader.finish()?;
        let http = Client::trusting(limits, &roots)?;
        let endpoints = microsoft.endpoints(options.cloud);
        let signed_in = operator::signed_in(variable).await;
        Ok(Self {
            aws: aws(&http, run),
            entra: signed_in.map(|signed_in| {
                let http = http.clone();
                Entra::new(http, endpoints, signed_in, run.clone(), options.pace)
            }),
            shop: Shop::read(options.shopctrl.as_deref(), &http),
        })
    }

    /// Tries what a probe tries.
    pub async fn probe(
        &self,
        probe: Probe,
        options: &Options,
        findings: &mut Findings,
    ) -> Result<(), Failure> {
        let pace = options.pace;
        let aws = || self.aws.as_ref().map_err(Failure::clone);
        let entra = || self.entra.as_ref().map_err(Failure::clone);
        match probe {
            Probe::Labels => labels::probe(aws()?, pace, findings).await,
            Probe::Refusals => refusals::probe(aws()?, pace, findings).await,
            Probe::Lateness => lateness::probe(aws()?, pace, findings).await,
            Probe::Rotation => {
                let function = options.rotation_function.as_deref();
                rotation::probe(aws()?, pace, function, findings).await
            }
            Probe::Identity => identity::probe(aws()?, findings).await,
            Probe::Mail => mail::probe(aws()?, findings).await,
            Probe::NewSecrets => new_secrets::probe(entra()?, findings).await,
            Probe::WholeRotation => whole_rotation::probe(entra()?, aws()?, findings).await,
            Probe::Credentials => credentials::probe(entra()?, findings).await,
            Probe::TwoSecrets => two_secrets::probe(entra()?, findings).await,
            Probe::AtOnce => at_once::probe(entra()?, findings).await,
            Probe::Ownership => ownership::probe(entra()?, findings).await,
            Probe::Federation => federation::probe(entra()?, aws()?, findings).await,
            Probe::RefreshToken => {
                refresh_token::probe(entra()?, options.sign_in.as_ref(), findings).await
            }
            Probe::ShopCtrl => {
                let shop = self.shop.as_ref().map_err(Failure::clone)?;
                shop.probe(pace, findings).await
            }
        }
    }
}

fn aws(http: &Client, run: &Run) -> Result<Aws, Failure> {
    let mut reader = Reader::new(variable);
    let settings = AwsSettings::read(&mut reader);
    reader.finish().map_err(|failure| {
        failure.next_step(
            "eval \"$(aws configure export-credentials --format env)\"; export AWS_REGION=<region>",
        )
    })?;
    Ok(Aws::new(&settings, http, run.clone()))
}
