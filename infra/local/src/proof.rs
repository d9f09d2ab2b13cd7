//! What the world's journal shows of the proofs since it was last cleared.

use serde_json::Value;
use simulators::gate::Call;
use simulators::world::World;

use crate::narration::text;

/// The proofs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Proof {
    /// How often the inbox was opened through Graph.
    pub inbox_opened: usize,
    /// How many of ShopCtrl's tests passed.
    pub tests_passed: usize,
}

impl Proof {
    /// What the journal has.
    pub fn in_journal(world: &World) -> Self {
        let calls = world.gate.calls();
        let count = |is: fn(&Call) -> bool| calls.iter().filter(|call| is(call)).count();
        Self {
            inbox_opened: count(opens_inbox),
            tests_passed: count(passes_test),
        }
    }
}

fn opens_inbox(call: &Call) -> bool {
    call.service == "graph"
        && call.operation.starts_with("GET me/mailFolders/")
        && call.status == Some(200)
}

fn passes_test(call: &Call) -> bool {
    let answer: Value = serde_json::from_slice(&call.answer).unwrap_or_default();
    call.service == "shopctrl"
        && call.operation == "POST connection test"
        && text(&answer, "result") == "passed"
}
