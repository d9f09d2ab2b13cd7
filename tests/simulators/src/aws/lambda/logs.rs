//! What the functions write to stdout and stderr: CloudWatch Logs in small.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::broadcast;

/// How many lines a slow subscriber may lag behind before it misses some.
const SUBSCRIBER_LAG: usize = 1024;

/// Where a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line that a function wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// The function's name.
    pub function: String,
    /// Where it was written to.
    pub stream: Stream,
    /// The line, without its end.
    pub line: String,
}

#[derive(Debug)]
pub(super) struct Logs {
    lines: Mutex<Vec<LogLine>>,
    sender: broadcast::Sender<LogLine>,
}

impl Default for Logs {
    fn default() -> Self {
        Self {
            lines: Mutex::default(),
            sender: broadcast::Sender::new(SUBSCRIBER_LAG),
        }
    }
}

impl Logs {
    pub(super) fn all(&self) -> Vec<LogLine> {
        self.lines().clone()
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<LogLine> {
        self.sender.subscribe()
    }

    /// Collects the lines of `pipe` until it ends.
    pub(super) async fn collect(
        &self,
        function: &str,
        stream: Stream,
        pipe: impl AsyncRead + Unpin,
    ) {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe
            .read_until(b'\n', &mut line)
            .await
            .is_ok_and(|read| read > 0)
        {
            let text = String::from_utf8_lossy(&line);
            self.add(LogLine {
                function: function.to_owned(),
                stream,
                line: text.trim_end_matches(['\n', '\r']).to_owned(),
            });
            line.clear();
        }
    }

    fn add(&self, line: LogLine) {
        self.lines().push(line.clone());
        // Nobody needs to listen.
        let _ = self.sender.send(line);
    }

    fn lines(&self) -> MutexGuard<'_, Vec<LogLine>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
