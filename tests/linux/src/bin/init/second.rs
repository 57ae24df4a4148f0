//! The second kernel's user space: asks for everything that was saved, and says what is there.

use core::error::Error;
use std::io::Read;

use linux_beside::plan::{Plan, contents, session_name, token};

use crate::luo::{LiveUpdate, Session};

/// How many failures are told one by one.
const TOLD: usize = 3;

/// # Errors
///
/// If Linux will not take up what it was handed.
pub(crate) fn run(plan: &Plan) -> Result<(), Box<dyn Error>> {
    println!("second: user space runs");
    let luo = LiveUpdate::open().map_err(|error| format!("no /dev/liveupdate: {error}"))?;
    // What was never saved must not be there either.
    if luo.retrieve(&session_name(plan.expected().end)).is_ok() {
        return Err("a session that nobody saved is there".into());
    }
    let (mut failures, mut sessions, mut files) = (Vec::new(), Vec::new(), 0);
    for number in plan.expected() {
        let name = session_name(number);
        match luo.retrieve(&name) {
            Ok(session) => {
                for file in 0..plan.files_of(number) {
                    match check(&session, token(number, file)) {
                        Ok(()) => files += 1,
                        Err(error) => failures.push(format!("file {file} of {name}: {error}")),
                    }
                }
                if session.retrieve(token(number, plan.files_of(number))).is_ok() {
                    return Err(format!("{name} has a file that nobody saved").into());
                }
                sessions.push(session);
            }
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    for failure in failures.iter().take(TOLD) {
        println!("second: {failure}");
    }
    println!("second: {} sessions, {files} files, {} failures", sessions.len(), failures.len());
    Ok(())
}

/// # Errors
///
/// If the session has no such file, or it holds something else.
fn check(session: &Session, token: u64) -> Result<(), Box<dyn Error>> {
    let mut found = Vec::new();
    let mut file = session.retrieve(token)?;
    std::io::Seek::rewind(&mut file)?;
    file.read_to_end(&mut found)?;
    if found == contents(token) { Ok(()) } else { Err("other contents".into()) }
}
