//! An open watch: a chunked answer, one event a line.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::tcp::{OwnedReadHalf, OwnedWriteHalf},
    sync::{mpsc::UnboundedReceiver, watch},
    time::{Instant, sleep_until},
};

use super::{Shared, store::Said};
use crate::proxy::frame::Requests;

/// How long a watch is open at most.
const LONGEST: Duration = Duration::from_secs(3_600);
/// What a watch that is cut still sends: a chunk that says it is longer than it is.
const HALF_A_LINE: &str =
    "400\r\n{\"type\":\"MODIFIED\",\"object\":{\"kind\":\"Job\",\"metadata\":{\"name\":\"bro";

/// An open watch. While it exists, it is counted.
pub(super) struct Open {
    said: UnboundedReceiver<Said>,
    silent: watch::Receiver<bool>,
    cuts: watch::Receiver<()>,
    ends: Instant,
    shared: Arc<Shared>,
}

enum Next {
    Said(Said),
    Cut,
    /// The client has gone.
    Left,
}

impl Open {
    /// One that is open for so long. Whoever makes it has the state locked, from which `said` comes: a cut
    /// comes before or after both.
    pub fn new(said: UnboundedReceiver<Said>, seconds: Option<u64>, shared: &Arc<Shared>) -> Self {
        let time = seconds.map_or(LONGEST, |s| Duration::from_secs(s).min(LONGEST));
        Self {
            said,
            silent: shared.silent.subscribe(),
            cuts: shared.cuts.subscribe(),
            ends: Instant::now() + time,
            shared: Arc::clone(shared),
        }
    }

    /// Tells it to its end. Whether the connection goes on after it.
    pub async fn tell(
        mut self,
        requests: &mut Requests<OwnedReadHalf>,
        writer: &mut OwnedWriteHalf,
    ) -> io::Result<bool> {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        writer.write_all(head.as_bytes()).await?;
        loop {
            match self.next(requests).await {
                Next::Said(Said::Event(event)) => {
                    // The type first, as a server has it.
                    let line = format!(
                        r#"{{"type":{},"object":{}}}"#,
                        event["type"], event["object"]
                    );
                    let chunk = format!("{:x}\r\n{line}\n\r\n", line.len() + 1);
                    writer.write_all(chunk.as_bytes()).await?;
                }
                Next::Said(Said::End) => {
                    writer.write_all(b"0\r\n\r\n").await?;
                    return Ok(true);
                }
                Next::Cut => {
                    writer.write_all(HALF_A_LINE.as_bytes()).await?;
                    return Ok(false);
                }
                Next::Left => return Ok(false),
            }
        }
    }

    async fn next(&mut self, requests: &mut Requests<OwnedReadHalf>) -> Next {
        loop {
            let silent = *self.silent.borrow_and_update();
            // In this order: what was said before a cut is told, unless silence came before it.
            tokio::select! {
                biased;
                Ok(()) = self.silent.changed() => {}
                said = self.said.recv(), if !silent => {
                    return said.map_or(Next::Cut, Next::Said);
                }
                () = sleep_until(self.ends), if !silent => return Next::Said(Said::End),
                Ok(()) = self.cuts.changed() => return Next::Cut,
                // A client that watches says nothing more on its connection.
                _ = requests.head() => return Next::Left,
            }
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.said.close();
        self.shared.tick();
    }
}
