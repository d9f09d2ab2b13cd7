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
use crate::aws::Aws;
use crate::beliefs::Probe;
use crate::entra::{Entra, operator};
use crate::findings::Findings;
use crate::marker::Run;
use crate::shopctrl::Shop;

/// The accounts of a run.
pub struct Accounts {
    /// AWS.
    pub aws: Result<Aws, Failure>,
    /// Entra.
    pub entra: Result<Entra, Failure>,
    shop: Result<Shop, Failure>,
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

impl Accounts {
    /// As the environment and the options name them.
    ///
    /// # Errors
    /// When no HTTP client can be had.
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
    pub async fn probe(&self, probe: Probe, options: &Options, findings: &mut Findings) {
        let ended = match probe {
            Probe::Labels
            | Probe::Refusals
            | Probe::Lateness
            | Probe::Rotation
            | Probe::Identity
            | Probe::Mail => match &self.aws {
                Ok(aws) => {
                    let function = options.rotation_function.as_deref();
                    aws.probe(probe, options.pace, function, findings).await
                }
                Err(failure) => Err(failure.clone()),
            },
            Probe::NewSecrets
            | Probe::WholeRotation
            | Probe::Credentials
            | Probe::TwoSecrets
            | Probe::AtOnce
            | Probe::Ownership
            | Probe::Federation
            | Probe::RefreshToken => match &self.entra {
                Ok(entra) => {
                    let person = options.sign_in.as_ref();
                    entra.probe(probe, &self.aws, person, findings).await
                }
                Err(failure) => Err(failure.clone()),
            },
            Probe::ShopCtrl => match &self.shop {
                Ok(shop) => shop.probe(options.pace, findings).await,
                Err(failure) => Err(failure.clone()),
            },
        };
        findings.ended(probe, ended);
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
