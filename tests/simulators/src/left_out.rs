//! What a test leaves out where the machine lacks something: a line on stderr tells it, and the test passes.

/// Says it of the test on whose thread this is, or fails where the variable `required` is `1`.
pub fn say(missing: &str, required: &str) {
    // The test harness names a test's thread after it, and `tokio::test` polls its body there.
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let is_required = std::env::var_os(required).is_some_and(|value| value == "1");
    assert!(
        !is_required,
        "{test} needs {missing}, and {required} is set"
    );
    // Not eprintln!, which the test harness keeps to itself when a test passes.
    let line = format!("left out, there is no {missing}: {test}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}
