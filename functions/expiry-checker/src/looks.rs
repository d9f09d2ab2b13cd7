//! The looks of a check: which secrets `rotation` looks at together, and what it saw.

use std::collections::BTreeMap;

use futures_util::{StreamExt, stream};
use shared::failure::{Failure, Kind};
use shared::rotation::inspection::{
    DeepLook, Facts, Inspect, Inspected, LightLook, LightSecret, ListedCredential, TenantRotator,
};
use tokio::time::Instant;

use crate::clients::Clients;
use crate::record::Record;

/// So much is looked at in one invocation: it has minutes, and its answer at most 6 MB (Lambda quotas, "Invocation
/// payload").
const TENANTS: usize = 8;
const LIGHT: usize = 2_000;
const DEEP: usize = 100;

/// A secret that is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted {
    /// Its place among the records.
    pub(crate) at: usize,
    pub(crate) deep: bool,
}

/// What was seen of one.
pub(crate) enum Seen {
    Light {
        listed: Result<Vec<ListedCredential>, Failure>,
        /// Whether something is missing that a rotation needs.
        lacks: bool,
    },
    Deep(Box<Result<Facts, Failure>>),
}

/// Looks at all of them. `calls` counts those that `rotation` made.
pub(crate) async fn look(
    clients: &Clients,
    records: &[Record],
    wanted: &[Wanted],
    until: Instant,
    calls: &mut u64,
) -> Vec<(usize, Seen)> {
    let batches = batches(records, wanted);
    let looks = batches.into_iter().map(|batch| async move {
        let answer = tokio::time::timeout_at(until, clients.rotation.inspect(&batch.inspect));
        let answer = answer.await.unwrap_or_else(|_| Err(no_time()));
        (batch.wanted, answer)
    });
    let mut looks = stream::iter(looks).buffer_unordered(clients.settings.invocations_at_once);
    let mut seen = Vec::with_capacity(wanted.len());
    while let Some((wanted, answer)) = looks.next().await {
        if let Ok(answer) = &answer {
            *calls += answer.calls;
        }
        seen.extend(of_each(records, &wanted, answer));
    }
    seen
}

fn of_each(
    records: &[Record],
    wanted: &[Wanted],
    answer: Result<Inspected, Failure>,
) -> Vec<(usize, Seen)> {
    let mut answer = answer;
    let of_one = |one: &Wanted| {
        let arn = records.get(one.at).map_or("", |record| &*record.arn);
        let not_there = || Err(left_out());
        let seen = match (&mut answer, one.deep) {
            (Ok(answer), true) => {
                Seen::Deep(Box::new(answer.deep.remove(arn).unwrap_or_else(not_there)))
            }
            (Ok(answer), false) => Seen::Light {
                listed: answer.light.remove(arn).unwrap_or_else(|| Err(left_out())),
                lacks: answer.lacking.contains(arn),
            },
            (Err(failure), true) => Seen::Deep(Box::new(Err(failure.clone()))),
            (Err(failure), false) => Seen::Light {
                listed: Err(failure.clone()),
                lacks: false,
            },
        };
        (one.at, seen)
    };
    wanted.iter().map(of_one).collect()
}

fn left_out() -> Failure {
    Failure::new(
        Kind::Temporary,
        "looking at the secret: rotation's answer leaves it out",
    )
}

fn no_time() -> Failure {
    Failure::new(
        Kind::Temporary,
        "looking at the secret: it took longer than this check has",
    )
}

/// One invocation.
#[derive(Default)]
struct Batch {
    inspect: Inspect,
    wanted: Vec<Wanted>,
    tenants: usize,
    light: usize,
}

impl Batch {
    fn has_room_for(&self, of_tenant: &[Wanted]) -> bool {
        let deep = of_tenant.iter().filter(|one| one.deep).count();
        self.tenants < TENANTS
            && self.light + of_tenant.len() - deep <= LIGHT
            && self.inspect.deep.len() + deep <= DEEP
    }

    fn add(&mut self, records: &[Record], of: Option<&TenantRotator>, wanted: Vec<Wanted>) {
        let mut light = Vec::new();
        for one in &wanted {
            let Some(record) = records.get(one.at) else {
                continue;
            };
            match (of, light_secret(record)) {
                (Some(_), Some(secret)) if !one.deep => light.push(secret),
                _ => self.inspect.deep.push(deep_look(record)),
            }
        }
        self.tenants += 1;
        self.light += light.len();
        if let Some(of) = of.filter(|_| !light.is_empty()) {
            let of = of.clone();
            self.inspect.light.push(LightLook { of, secrets: light });
        }
        self.wanted.extend(wanted);
    }
}

fn light_secret(record: &Record) -> Option<LightSecret> {
    Some(LightSecret {
        arn: record.arn.to_string(),
        client_id: record.client_id()?,
        keys: record.keys.to_vec(),
    })
}

fn deep_look(record: &Record) -> DeepLook {
    DeepLook {
        arn: record.arn.to_string(),
        keys: record.keys.to_vec(),
        pending: record.pending.as_deref().map(str::to_owned),
    }
}

/// Whole tenants together, as many as fit; what has no tenant known is by itself.
fn batches(records: &[Record], wanted: &[Wanted]) -> Vec<Batch> {
    let mut by_rotator: BTreeMap<Option<TenantRotator>, Vec<Wanted>> = BTreeMap::new();
    for one in wanted {
        let of = records.get(one.at).and_then(Record::of);
        by_rotator.entry(of).or_default().push(*one);
    }
    let mut batches: Vec<Batch> = Vec::new();
    for (of, wanted) in by_rotator {
        for part in parts(wanted) {
            match batches.last_mut() {
                Some(last) if last.has_room_for(&part) => last.add(records, of.as_ref(), part),
                _ => {
                    let mut batch = Batch::default();
                    batch.add(records, of.as_ref(), part);
                    batches.push(batch);
                }
            }
        }
    }
    batches
}

/// One tenant's secrets, in parts that fit into one invocation.
fn parts(wanted: Vec<Wanted>) -> Vec<Vec<Wanted>> {
    let mut parts: Vec<Vec<Wanted>> = Vec::new();
    let (mut light, mut deep) = (0, 0);
    for one in wanted {
        let full = light + usize::from(!one.deep) > LIGHT || deep + usize::from(one.deep) > DEEP;
        if parts.is_empty() || full {
            parts.push(Vec::new());
            (light, deep) = (0, 0);
        }
        light += usize::from(!one.deep);
        deep += usize::from(one.deep);
        if let Some(part) = parts.last_mut() {
            part.push(one);
        }
    }
    parts
}
