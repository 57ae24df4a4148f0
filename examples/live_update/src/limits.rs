//! The limit of open files, which is often lower than the number of connections.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::Result;

/// Descriptors that a process has besides its connections, and some that it inherits.
const BESIDES: u64 = 32;

/// Raises the limit of this process and its children, so that each can hold `connections` sockets.
///
/// # Errors
///
/// If the hard limit is lower; the message says what to do.
pub(crate) fn allow(connections: usize) -> Result<()> {
    let wanted = u64::try_from(connections)?.saturating_add(BESIDES);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // No limit is `None`.
    if current.is_none_or(|current| current >= wanted) {
        return Ok(());
    }
    if maximum.is_none_or(|maximum| maximum >= wanted) {
        let raised = Rlimit { current: Some(wanted), maximum };
        return setrlimit(Resource::Nofile, raised).map_err(|error| {
            let advice = format!("run `ulimit -n {wanted}` first");
            format!("cannot raise the limit of open files to {wanted} ({error}): {advice}").into()
        });
    }
    let maximum = maximum.unwrap_or_default();
    let fewer = match maximum.saturating_sub(BESIDES) {
        0 => String::new(),
        fits => format!("run with `--connections {fits}`, or "),
    };
    Err(format!(
        "{connections} connections need {wanted} open files, but the hard limit is {maximum}: \
         {fewer}raise it for this shell with `sudo prlimit --pid $$ --nofile={wanted}`"
    )
    .into())
}
