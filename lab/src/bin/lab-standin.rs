//! The stand-ins alone, for the tests of this crate: `lab-standin standin NAME ARGUMENTS…`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (Some("standin"), Some(name)) => {
            let rest: Vec<String> = args.collect();
            ExitCode::from(lab::standin::main(&name, &rest) as u8)
        }
        _ => ExitCode::from(2),
    }
}
