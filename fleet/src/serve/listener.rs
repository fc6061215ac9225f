//! Connections: so many at once, one on which nothing moves ends, and so does one whose request takes too long to be
//! said. The others wait in the kernel.
//!
//! Each costs memory for as long as it is open, and anybody can open one; so their number bounds what the service
//! takes, however many machines come at the same moment. No address has a number of its own: behind a proxy all have
//! the same.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};

/// So many at once.
const CONNECTIONS: usize = 64;
/// Longer than any machine waits for an answer, and than the pause between two words of an event stream.
const IDLE: Duration = Duration::from_secs(60);
/// So long may the head of a request take; no machine has more than a few hundred bytes to say there.
const HEAD: Duration = Duration::from_secs(20);
/// A failure to take a connection, as where there are no descriptors left, is over after that.
const AGAIN: Duration = Duration::from_millis(500);

/// A listener that takes a connection only where there is a place.
pub(super) struct Bounded {
    listener: TcpListener,
    places: Arc<Semaphore>,
    idle: Duration,
    head: Duration,
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
        Self { listener, places: Arc::new(Semaphore::new(CONNECTIONS)), idle: IDLE, head: HEAD }
    }

    /// The next connection, once there is a place for it.
    async fn accept(&self) -> (Connection, SocketAddr) {
        let place = Arc::clone(&self.places).acquire_owned().await.ok();
        loop {
            if let Ok((stream, address)) = self.listener.accept().await {
                let ends = Box::pin(sleep(self.idle));
                return (Connection { stream, idle: self.idle, ends, _place: place }, address);
            }
            sleep(AGAIN).await;
        }
    }

    /// Answers all that come, for ever.
    pub(super) async fn serve(self, router: Router) {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(self.head);
        loop {
            let (connection, _) = self.accept().await;
            let service = TowerToHyperService::new(router.clone());
            // How it ends is between the two who have it: what was answered is in the store.
            let answered = http.serve_connection(TokioIo::new(connection), service);
            tokio::spawn(async move { drop(answered.await) });
        }
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
    use std::io::{Read, Write};
    use std::net::TcpStream as Client;
    use std::thread;

    use tokio::runtime::Builder;
    use tokio::time::timeout;

    use super::*;

    /// Runs `test` with a listener of one place, and its address.
    fn with_one_place<T: Future<Output = ()>>(idle: Duration, test: impl FnOnce(Bounded, SocketAddr) -> T) {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let places = Arc::new(Semaphore::new(1));
            test(Bounded { listener, places, idle, head: Duration::from_millis(50) }, address).await;
        });
    }

    #[test]
    fn who_finds_no_place_waits_until_another_one_leaves() {
        with_one_place(IDLE, |bounded, address| async move {
            let (_first, second) = (Client::connect(address).unwrap(), Client::connect(address).unwrap());
            let (one, _) = bounded.accept().await;
            assert!(timeout(Duration::from_millis(20), bounded.accept()).await.is_err());
            drop(one);
            assert_eq!(bounded.accept().await.1, second.local_addr().unwrap());
        });
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_ends_the_connection() {
        with_one_place(IDLE, |bounded, address| async move {
            let drips = thread::spawn(move || {
                let mut slow = Client::connect(address).unwrap();
                slow.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
                let mut answer = [0; 64];
                for byte in b"GET / HTTP/1.1\r\nx: ".iter().chain(std::iter::repeat(&b'x')) {
                    // Its end, or that it was reset.
                    if slow.write_all(&[*byte]).is_err()
                        || !matches!(slow.read(&mut answer), Err(e) if e.kind() == io::ErrorKind::WouldBlock)
                    {
                        break;
                    }
                }
                let mut next = Client::connect(address).unwrap();
                next.write_all(b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n").unwrap();
                let mut answer = String::new();
                next.read_to_string(&mut answer).unwrap();
                answer
            });
            let all_said = tokio::task::spawn_blocking(|| drips.join().unwrap());
            tokio::select! {
                () = bounded.serve(Router::new()) => panic!("it serves for ever"),
                answer = all_said => assert!(answer.unwrap().starts_with("HTTP/1.1 404 "), "the place is free"),
            }
        });
    }

    #[test]
    fn a_connection_on_which_nothing_moves_ends() {
        with_one_place(Duration::from_millis(20), |bounded, address| async move {
            let _silent = Client::connect(address).unwrap();
            let (mut one, _) = bounded.accept().await;
            let mut bytes = [0; 8];
            let mut into = ReadBuf::new(&mut bytes);
            let read = std::future::poll_fn(|context| Pin::new(&mut one).poll_read(context, &mut into));
            assert_eq!(read.await.unwrap_err().kind(), io::ErrorKind::TimedOut);
        });
    }
}
