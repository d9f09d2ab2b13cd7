//! What has to hold of the figures, whatever was recorded.

use crate::check::{Case, Measured};
use crate::scenario::{Look, Scenario, WAITING};
use crate::seed::IN_A_TENANT;

/// A tenant that hangs costs this much at most.
const HANGS: u64 = 25_000;
/// A hundred that wait for a person cost this much at most.
const WAIT: u64 = 1_000;
/// So many tenants one invocation of `rotation` looks at.
const TENANTS_AT_ONCE: u64 = 8;
/// A page of a list (Secrets Manager API, ListSecrets, `MaxResults`).
const PAGE: u64 = 100;
/// A large fleet's check is over in this time.
const IN_TIME: [(usize, u64); 2] = [(10_000, 15_000), (100_000, 120_000)];

/// What is wrong, in words.
pub(crate) fn broken(all: &[Measured]) -> Vec<String> {
    let mut broken = Vec::new();
    for one in all {
        let mut wrong: Vec<String> = of_itself(one);
        if let Some(healthy) = find(all, one.case.size, one.case.look, Scenario::Healthy) {
            wrong.extend(beside_healthy(one, healthy));
        }
        if let Some(smaller) = find(all, one.case.size / 10, one.case.look, one.case.scenario) {
            wrong.extend(beside_smaller(one, smaller));
        }
        broken.extend(
            wrong
                .into_iter()
                .map(|wrong| format!("{}: {wrong}", one.case)),
        );
    }
    broken
}

fn find(all: &[Measured], size: usize, look: Look, scenario: Scenario) -> Option<&Measured> {
    let case = Case {
        size,
        look,
        scenario,
    };
    all.iter().find(|one| one.case == case)
}

fn of_itself(one: &Measured) -> Vec<String> {
    let size = u64::try_from(one.case.size).unwrap_or_default();
    let waiting = u64::try_from(WAITING).unwrap_or_default();
    let tenant = u64::try_from(IN_A_TENANT).unwrap_or_default();
    let mut wrong = Vec::new();
    let mut expect = |holds: bool, words: String| wrong.extend((!holds).then_some(words));
    let [checked, healthy, failed] = ["checked", "healthy", "failed"].map(|state| one.count(state));
    expect(checked == size, format!("{checked} were checked"));
    expect(failed == 0, format!("{failed} are failed"));
    match one.case.scenario {
        Scenario::First | Scenario::Healthy | Scenario::OneSlotShort => {
            expect(healthy == size, format!("{healthy} are healthy"));
        }
        Scenario::EntraHangs | Scenario::GraphHangs => {
            expect(healthy >= size - tenant, format!("{healthy} are healthy"));
            let unreachable = one.count("unreachable");
            expect(unreachable > 0, "nobody is unreachable".to_owned());
        }
        Scenario::HundredWait => {
            let wait = one.count("waiting_for_person");
            expect(wait == waiting, format!("{wait} wait for a person"));
            expect(healthy == size - waiting, format!("{healthy} are healthy"));
        }
    }
    if one.case.scenario == Scenario::Healthy {
        let limit = IN_TIME.into_iter().find(|(of, _)| *of == one.case.size);
        let in_time = limit.is_none_or(|(_, limit)| one.milliseconds <= limit);
        expect(in_time, format!("it takes {} s", one.seconds()));
        if one.case.look == Look::SixHourly {
            let (light, least) = (one.light_calls, least_light(size) + WEEKLY);
            let few = light * 100 <= least * 105;
            expect(
                few,
                format!("{light} calls of the light part; {least} would do"),
            );
        }
    }
    wrong
}

/// The weekly report, which is due at the time of these checks.
const WEEKLY: u64 = 1;

/// Pages of the list, invocations with a token of the account's each, a token and one list of apps for each tenant, and
/// the report.
pub(crate) fn least_light(size: u64) -> u64 {
    let tenants = size.div_ceil(u64::try_from(IN_A_TENANT).unwrap_or(1));
    size.div_ceil(PAGE) + 2 * tenants.div_ceil(TENANTS_AT_ONCE) + 2 * tenants + 1
}

fn beside_healthy(one: &Measured, healthy: &Measured) -> Option<String> {
    let more = one.milliseconds.saturating_sub(healthy.milliseconds);
    let at_most = match one.case.scenario {
        Scenario::EntraHangs | Scenario::GraphHangs => HANGS,
        Scenario::HundredWait => WAIT,
        Scenario::First | Scenario::Healthy | Scenario::OneSlotShort => return None,
    };
    (more > at_most).then(|| format!("it takes {more} ms longer than a healthy one"))
}

/// Growth is linear at most, in those that answer. How many it is the turn of in six hours is chance, so that there the
/// light part counts.
fn beside_smaller(one: &Measured, smaller: &Measured) -> Vec<String> {
    let answer = |measured: &Measured| {
        let size = u64::try_from(measured.case.size).unwrap_or(u64::MAX);
        size.saturating_sub(measured.count("unreachable"))
    };
    let grows = |what: &str, large: u64, small: u64| {
        let more = large * answer(smaller) > small * answer(one);
        more.then(|| format!("{large} {what}, after {small} for a tenth of it"))
    };
    [
        match one.case.look {
            Look::SixHourly => grows("light calls", one.light_calls, smaller.light_calls),
            Look::Deep => grows("calls", one.calls, smaller.calls),
        },
        grows("ms", one.milliseconds, smaller.milliseconds),
    ]
    .into_iter()
    .flatten()
    .collect()
}
