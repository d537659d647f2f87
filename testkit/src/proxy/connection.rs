//! One client's connection: requests one way, answers the other, and what goes wrong with them.
//!
//! Owns the two directions. What was read waits for its time in a short line, so that a delay costs a
//! round trip and no bandwidth, and a slow reader stops the writer.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::{Mutex, mpsc, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::{Behaviour, Shared, answer, frame::Requests};

/// Pieces on their way in one direction.
const PIECES_UNDER_WAY: usize = 64;
/// The largest piece, in bytes.
const PIECE: usize = 64 * 1_024;

/// Takes connections for as long as the proxy lives; the connections end with it.
pub(super) async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Ok((client, _)) = listener.accept() => {
                connections.spawn(serve(client, Arc::clone(&shared)));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

/// One connection to its end. How it ends is up to both sides and no concern of the proxy.
async fn serve(client: TcpStream, shared: Arc<Shared>) {
    let mut usual = shared.usual.subscribe();
    let cut = async {
        if usual.wait_for(|now| *now == Behaviour::Cut).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        () = cut => {}
        _ = relay(client, &shared) => {}
    }
}

/// What the answering direction has to know of the request under way.
struct UnderWay {
    behaviour: watch::Sender<Behaviour>,
    /// Bytes of answers since the connection began.
    answered: AtomicU64,
}

async fn relay(client: TcpStream, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let connecting = shared.usual.borrow().clone();
    if let Behaviour::RoundTrip(time) = connecting {
        sleep(time).await;
    }
    let (from_client, to_client) = client.into_split();
    let under_way = UnderWay {
        behaviour: watch::Sender::new(connecting),
        answered: AtomicU64::new(0),
    };
    let to_client = Mutex::new(to_client);
    let mut requests = Requests::new(from_client);
    let outcome = both_ways(&mut requests, shared, &under_way, &to_client).await;
    // Dropping it would say an orderly goodbye, before a reset too.
    to_client.into_inner().forget();
    outcome
}

async fn both_ways(
    requests: &mut Requests<OwnedReadHalf>,
    shared: &Shared,
    under_way: &UnderWay,
    to_client: &Mutex<OwnedWriteHalf>,
) -> io::Result<()> {
    // The service is asked for a connection only when there is something to pass.
    let Some(first) = unpassed(requests, shared, under_way, to_client).await? else {
        return Ok(());
    };
    let service = TcpStream::connect(shared.upstream).await?;
    service.set_nodelay(true)?;
    let (from_service, to_service) = service.into_split();
    let asking = ask(requests, first, shared, under_way, to_client, to_service);
    let answering = answer_all(from_service, shared, under_way, to_client);
    tokio::pin!(asking, answering);
    tokio::select! {
        // The answer to the last request may still come.
        asked = &mut asking => { asked?; answering.await }
        answered = &mut answering => answered,
    }
}

/// Deals with requests that do not reach the service; gives the first that does.
async fn unpassed(
    requests: &mut Requests<OwnedReadHalf>,
    shared: &Shared,
    under_way: &UnderWay,
    to_client: &Mutex<OwnedWriteHalf>,
) -> io::Result<Option<(Bytes, Behaviour)>> {
    while let Some(head) = requests.head().await? {
        let behaviour = shared.judge(&head);
        match behaviour {
            Behaviour::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
            Behaviour::HalfOpen => while requests.piece().await?.is_some() {},
            Behaviour::Answer {
                status,
                retry_after,
            } => {
                while requests.piece().await?.is_some() {}
                let answer = answer::to(&head, status, retry_after);
                to_client.lock().await.write_all(&answer).await?;
            }
            Behaviour::Give(answer) => {
                while requests.piece().await?.is_some() {}
                to_client.lock().await.write_all(&answer).await?;
            }
            passing => {
                under_way.behaviour.send_replace(passing.clone());
                return Ok(Some((head.bytes, passing)));
            }
        }
    }
    Ok(None)
}

/// Passes requests to the service.
async fn ask(
    requests: &mut Requests<OwnedReadHalf>,
    first: (Bytes, Behaviour),
    shared: &Shared,
    under_way: &UnderWay,
    to_client: &Mutex<OwnedWriteHalf>,
    to_service: OwnedWriteHalf,
) -> io::Result<()> {
    let (line, arrivals) = mpsc::channel(PIECES_UNDER_WAY);
    let to_service = Mutex::new(to_service);
    let reading = async {
        // Dropped at the end, which ends the other half.
        let line = line;
        let mut next = Some(first);
        while let Some((head, behaviour)) = next {
            if let Behaviour::Slow(time) = behaviour {
                sleep(time).await;
            }
            let delay = half_of(&behaviour);
            send(&line, delay, head).await?;
            while let Some(piece) = requests.piece().await? {
                if !is_half_open(shared) {
                    send(&line, delay, piece).await?;
                }
            }
            next = unpassed(requests, shared, under_way, to_client).await?;
        }
        Ok(())
    };
    tokio::try_join!(reading, write_in_time(arrivals, &to_service, None))?;
    to_service.lock().await.shutdown().await
}

/// Passes answers to the client.
async fn answer_all(
    mut from_service: OwnedReadHalf,
    shared: &Shared,
    under_way: &UnderWay,
    to_client: &Mutex<OwnedWriteHalf>,
) -> io::Result<()> {
    let (line, arrivals) = mpsc::channel(PIECES_UNDER_WAY);
    let reading = async {
        let line = line;
        loop {
            let mut buffer = BytesMut::with_capacity(PIECE);
            if from_service.read_buf(&mut buffer).await? == 0 {
                return Ok(Ending::Orderly);
            }
            let behaviour = under_way.behaviour.borrow().clone();
            let mut ending = None;
            match behaviour {
                Behaviour::LoseAnswer => return Err(io::ErrorKind::ConnectionAborted.into()),
                Behaviour::Reset { after } => {
                    let before = under_way.answered.load(Ordering::Relaxed);
                    let most = usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX);
                    if buffer.len() > most {
                        buffer.truncate(most);
                        ending = Some(Ending::Reset);
                    }
                }
                _ => {}
            }
            under_way
                .answered
                .fetch_add(buffer.len() as u64, Ordering::Relaxed);
            if !is_half_open(shared) {
                send(&line, half_of(&behaviour), buffer.freeze()).await?;
            }
            if let Some(ending) = ending {
                return Ok(ending);
            }
        }
    };
    let writing = write_in_time(arrivals, to_client, Some(shared));
    let (ending, ()) = tokio::try_join!(reading, writing)?;
    if is_half_open(shared) {
        return std::future::pending().await;
    }
    let mut to_client = to_client.lock().await;
    match ending {
        Ending::Orderly => to_client.shutdown().await,
        Ending::Reset => {
            to_client.as_ref().set_zero_linger()?;
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
}

/// How a connection to the client ends.
enum Ending {
    /// The service has said everything.
    Orderly,
    /// In the middle.
    Reset,
}

fn is_half_open(shared: &Shared) -> bool {
    *shared.usual.borrow() == Behaviour::HalfOpen
}

const fn half_of(behaviour: &Behaviour) -> Duration {
    match behaviour {
        Behaviour::RoundTrip(time) => Duration::from_nanos(time.as_nanos() as u64 / 2),
        _ => Duration::ZERO,
    }
}

async fn send(
    line: &mpsc::Sender<(Instant, Bytes)>,
    delay: Duration,
    piece: Bytes,
) -> io::Result<()> {
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    line.send((Instant::now() + delay, piece))
        .await
        .map_err(gone)
}

/// Writes each piece when its time has come. A line that has become half-open loses it.
async fn write_in_time(
    mut arrivals: mpsc::Receiver<(Instant, Bytes)>,
    writer: &Mutex<OwnedWriteHalf>,
    unless_half_open: Option<&Shared>,
) -> io::Result<()> {
    while let Some((due, piece)) = arrivals.recv().await {
        sleep_until(due).await;
        if !unless_half_open.is_some_and(is_half_open) {
            writer.lock().await.write_all(&piece).await?;
        }
    }
    Ok(())
}
