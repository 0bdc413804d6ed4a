//! A socket that listens, and the connections that came over it.
//! Takes an address; gives connections one after the other, and runs what serves them. Ends all of them when it is dropped; never ends by itself, and
//! never spins where a connection cannot be taken.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream, ToSocketAddrs},
    task::{AbortHandle, JoinSet},
};

/// Before the next attempt, when a connection cannot be taken: no file descriptor is left, or the peer is gone again.
const PAUSE: Duration = Duration::from_millis(50);

/// See the module.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    address: SocketAddr,
    connections: JoinSet<()>,
}

impl Listener {
    /// Listens from now on; port 0 is any free one.
    ///
    /// # Errors
    ///
    /// What the system says: the address is taken, is not of this machine, or wants more rights.
    pub async fn bind(address: impl ToSocketAddrs) -> io::Result<Self> {
        Self::of(TcpListener::bind(address).await?)
    }

    /// Of a socket that listens already.
    ///
    /// # Errors
    ///
    /// The system does not tell where it listens.
    pub fn of(socket: TcpListener) -> io::Result<Self> {
        Ok(Self { address: socket.local_addr()?, socket, connections: JoinSet::new() })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for the next connection, for as long as it takes. May be dropped meanwhile: no connection is lost with it.
    ///
    /// Small pieces go out at once (`TCP_NODELAY`): answers come in several, and Nagle would hold them back.
    pub async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            tokio::select! {
                // What has ended is let go of.
                Some(_) = self.connections.join_next() => {}
                accepted = self.socket.accept() => match accepted {
                    Ok((stream, from)) => {
                        let _ = stream.set_nodelay(true);
                        return (stream, from);
                    }
                    Err(error) => {
                        tracing::debug!(at = %self.address, "a connection cannot be taken: {error}");
                        tokio::time::sleep(PAUSE).await;
                    }
                },
            }
        }
    }

    /// Serves a connection beside the others, until it ends or this is dropped.
    pub fn spawn(&mut self, serving: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.connections.spawn(serving)
    }

    /// Serves every connection like this. Never returns: it is ended by being dropped.
    pub async fn serve_each<F>(mut self, mut serve: impl FnMut(TcpStream) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            let (stream, _) = self.accept().await;
            let serving = serve(stream);
            self.spawn(serving);
        }
    }

    /// Takes no more connections, ends those that are open, and waits until they have ended.
    pub async fn shutdown(mut self) {
        drop(self.socket);
        self.connections.shutdown().await;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    const LOOPBACK: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

    /// Says what it hears.
    async fn echo(mut stream: TcpStream) {
        let (mut from, mut to) = stream.split();
        let _ = tokio::io::copy(&mut from, &mut to).await;
    }

    async fn says(stream: &mut TcpStream, word: &[u8; 2]) -> io::Result<bool> {
        stream.write_all(word).await?;
        let mut heard = [0; 2];
        stream.read_exact(&mut heard).await.map(|_| &heard == word)
    }

    #[tokio::test]
    async fn connections_are_served_beside_each_other_and_end_with_the_listener() {
        let listener = Listener::bind(LOOPBACK).await.unwrap();
        let address = listener.address();
        let task = tokio::spawn(listener.serve_each(echo));
        let mut open = [TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()];
        for stream in &mut open {
            assert!(says(stream, b"hi").await.unwrap());
        }
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        for stream in &mut open {
            assert!(says(stream, b"hi").await.is_err(), "it is closed");
        }
        assert!(TcpStream::connect(address).await.is_err(), "nobody listens there any more");
    }

    #[tokio::test]
    async fn what_has_ended_is_not_kept_and_a_shutdown_waits_for_the_rest() {
        let mut listener = Listener::bind(LOOPBACK).await.unwrap();
        let address = listener.address();
        for _ in 0..3 {
            let (client, (stream, from)) = tokio::join!(TcpStream::connect(address), listener.accept());
            assert_eq!(client.unwrap().local_addr().unwrap(), from);
            listener.spawn(async move { drop(stream) });
        }
        let mut client = TcpStream::connect(address).await.unwrap();
        let (stream, _) = listener.accept().await;
        let open = listener.spawn(echo(stream));
        assert!(says(&mut client, b"hi").await.unwrap());
        // The first three have ended by now, and are let go of while the next one is waited for.
        let nobody = tokio::time::timeout(Duration::from_millis(50), listener.accept()).await;
        assert_eq!((nobody.is_err(), listener.connections.len()), (true, 1));
        listener.shutdown().await;
        assert!(open.is_finished() && TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn an_address_that_is_taken_is_an_error_of_the_system() {
        let first = Listener::bind(LOOPBACK).await.unwrap();
        let error = Listener::bind(first.address()).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    }
}
