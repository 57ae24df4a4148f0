//! Whole images of memory: everything that the inspector does with them.

use std::time::{Duration, Instant};

/// The longest that a look at an image of the corpus's size may take, in a build for fuzzing.
const MOST: Duration = Duration::from_secs(10);

/// Looks at an image in every way that the inspector has, within bounded time.
pub(crate) fn run(data: &[u8]) {
    let start = Instant::now();
    let reported = kho_inspect::look(data);
    assert!(reported > 0, "a report has something in it");
    assert!(start.elapsed() < MOST, "{} bytes took {:?}", data.len(), start.elapsed());
    // What is told of an image of a few pages grows with the image, and with nothing that it says.
    let most = data.len().saturating_mul(1024).saturating_add(1 << 20);
    assert!(reported < most, "{} bytes make {reported} bytes of reports", data.len());
}
