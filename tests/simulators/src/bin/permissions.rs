//! After a run of the tests with `PERMISSIONS_USED=<folder>`: is each permission of `template.yaml` used, and each that
//! was used granted?

use std::path::Path;
use std::process::ExitCode;

use simulators::aws::iam::used::differences;

fn main() -> ExitCode {
    let Some(folder) = std::env::args().nth(1) else {
        eprintln!("usage: permissions <the folder that PERMISSIONS_USED named>");
        return ExitCode::from(2);
    };
    match differences(Path::new(&folder)) {
        Ok(differences) if differences.is_empty() => {
            println!("Each permission that is granted is used, and each that is used is granted.");
            ExitCode::SUCCESS
        }
        Ok(differences) => {
            eprintln!("{}", differences.join("\n"));
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
