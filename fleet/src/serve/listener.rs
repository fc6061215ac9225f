//! Connections: so many at once, and one on which nothing moves ends. The others wait in the kernel.
//!
//! Each costs memory for as long as it is open, and anybody can open one; so their number bounds what the service
//! takes, however many machines come at the same moment.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// So many at once.
const CONNECTIONS: usize = 64;
/// Longer than any machine waits for an answer, and than the pause between two words of an event stream.
const IDLE: Duration = Duration::from_secs(60);

/// A listener that takes a connection only where there is a place.
pub(super) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    idle: Duration,
}

/// A connection, and its place.
pub(super) struct Connection {
    stream: TcpStream,
    idle: Duration,
    ends: Pin<Box<Sleep>>,
    /// None is had once nobody gives any: never.
    _place: Option<OwnedSemaphorePermit>,
}

impl Bounded {
    /// What `listener` hears, bounded.
    pub(super) fn new(listener: TcpListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(CONNECTIONS)), idle: IDLE }
    }
}

impl Listener for Bounded {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        let ends = Box::pin(sleep(self.idle));
        (Connection { stream, idle: self.idle, ends, _place: place }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

impl Connection {
    /// What became of `moved`: where nothing moves for too long, an error.
    fn waited<T>(&mut self, moved: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if moved.is_ready() {
            self.ends.as_mut().reset(Instant::now() + self.idle);
            return moved;
        }
        ready!(self.ends.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let moved = Pin::new(&mut self.stream).poll_read(context, into);
        self.waited(moved, context)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.waited(moved, context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let moved = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.waited(moved, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Client;

    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    /// Runs `test` with a listener of one place, and its address.
    fn with_one_place<T: Future<Output = ()>>(idle: Duration, test: impl FnOnce(Bounded, SocketAddr) -> T) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            test(Bounded { listener, places: Arc::new(Semaphore::new(1)), idle }, address).await;
        });
    }

    #[test]
    fn who_finds_no_place_waits_until_another_one_leaves() {
        with_one_place(IDLE, |mut bounded, address| async move {
            let (_first, second) = (Client::connect(address).unwrap(), Client::connect(address).unwrap());
            let (one, _) = bounded.accept().await;
            assert!(timeout(Duration::from_millis(20), bounded.accept()).await.is_err());
            drop(one);
            assert_eq!(bounded.accept().await.1, second.local_addr().unwrap());
        });
    }

    #[test]
    fn a_connection_on_which_nothing_moves_ends() {
        with_one_place(Duration::from_millis(20), |mut bounded, address| async move {
            let _silent = Client::connect(address).unwrap();
            let (mut one, _) = bounded.accept().await;
            let mut bytes = [0; 8];
            let mut into = ReadBuf::new(&mut bytes);
            let read = std::future::poll_fn(|context| Pin::new(&mut one).poll_read(context, &mut into));
            assert_eq!(read.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        });
    }
}
