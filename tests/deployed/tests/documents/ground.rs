//! What the documents are tried on: MiniStack, the simulated services beside it, and a checkout.

use std::sync::Arc;

use deployed::checkout::repository;
use deployed::{Access, Beside, Checkout, MiniStack, Programs, Templates, Terminal, stacks};
use simulators::left_out;
use tempfile::TempDir;

use crate::commands::Command;
use crate::front::serve_front;
use crate::reader::Reader;

/// The simulated services beside MiniStack, and a checkout after `sam build`.
pub struct Ground {
    pub mini_stack: Arc<MiniStack>,
    pub beside: Arc<Beside>,
    pub checkout: Checkout,
    /// Of whoever installs it; a reader's shell has its variables.
    pub terminal: Terminal,
    /// For what readers make.
    pub folder: TempDir,
}

impl Ground {
    /// Nothing is deployed yet; none where a program is missing.
    pub async fn or_say() -> Option<Self> {
        let programs = Programs::or_say()?;
        if let Some(missing) = PROGRAMS.iter().find(|program| !is_in_path(program)) {
            left_out::say(missing, "REQUIRE_MINISTACK");
            return None;
        }
        let mini_stack = Arc::new(MiniStack::start(&programs, Access::Open).await);
        let beside = Arc::new(Beside::start(&mini_stack).await);
        let mut templates = Templates::for_mini_stack()
            .with_pages_at(&beside.world.callback_url)
            .with_shopctrl_on_loopback()
            .with_settings(&beside.settings());
        // With the schedule, which MiniStack cannot have, its import went out.
        let import = "Value: !ImportValue {\"Fn::Sub\": \"${SystemStack}-RotationFunctionArn\"}";
        let imported =
            format!("Outputs:\n  RotatedBy:\n    Condition: HasBackstop\n    {import}\n");
        templates.mailbox.replace("Outputs:\n", &imported);
        let checkout = Checkout::new(&templates);
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("authority.pem");
        std::fs::write(&roots, beside.world.authority.pem()).unwrap();
        let secrets_manager = serve_front(&beside, &mini_stack).await;
        let terminal = Terminal::new(&checkout, &programs, &mini_stack)
            .with_programs(&repository().join("tests/deployed/tests/documents/programs"))
            .with("SAM", &programs.sam.display().to_string())
            .with("SSL_CERT_FILE", &roots.display().to_string())
            .with("ENTRA_URL", &beside.settings()["ENTRA_URL"])
            .with("AWS_ENDPOINT_URL_SECRETS_MANAGER", &secrets_manager);
        Some(Self {
            mini_stack,
            beside,
            checkout,
            terminal,
            folder,
        })
    }

    /// Deploys the system as README says it, and gives its outputs.
    pub async fn deploy(&self) -> stacks::Outputs {
        let (folder, variables) = (self.checkout.path(), self.terminal.env());
        let mut readme = Reader::of(README, is_in_readme, folder, variables);
        readme.at(INSTALLING).runs("sam deploy").await;
        readme.ends();
        let outputs = stacks::outputs(&self.terminal, stacks::SYSTEM).await;
        self.beside
            .system_is_deployed(&self.terminal, &outputs)
            .await;
        outputs
    }
}

const README: &str = "README.md";
const INSTALLING: &str = "Installing it";

/// Whether it is run here.
pub fn is_in_readme(command: &Command) -> bool {
    (command.document.as_str(), command.heading.as_str()) == (README, INSTALLING)
}

/// What the documents take for granted.
const PROGRAMS: [&str; 5] = ["bash", "curl", "jq", "openssl", "python3"];

fn is_in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}
