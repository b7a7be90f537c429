//! Opening the transport. Whatever comes out is a stream of bytes; the rest of the crate knows no more.

use std::io;
use std::pin::Pin;

use openssl::ssl::{Ssl, SslContext};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Transport;

/// A stream that can be dialled to.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// Any stream.
pub type BoxedStream = Box<dyn ByteStream>;

/// A future that owns what it needs.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Opens the transport, TLS handshake included. Takes as long as it takes: the caller sets the bound.
pub(crate) async fn dial(transport: &Transport) -> Result<BoxedStream, DialFault> {
    match transport {
        Transport::Tcp { host, port } => Ok(Box::new(tcp(host, *port).await?)),
        Transport::Tls { host, port, tls, server_name } => {
            let stream = tcp(host, *port).await?;
            let connector = TlsConnector::from(tls.clone());
            let stream = connector.connect(server_name.clone(), stream).await.map_err(DialFault::Tls)?;
            Ok(Box::new(stream))
        }
        Transport::Psk { host, port, context } => {
            let stream = tcp(host, *port).await?;
            Ok(Box::new(psk(context, stream).await.map_err(DialFault::Psk)?))
        }
        Transport::Custom(open) => open().await.map_err(DialFault::Tcp),
    }
}

/// At which step dialling failed.
#[derive(Debug)]
pub(crate) enum DialFault {
    /// The name was not found, or nobody answers there.
    Tcp(io::Error),
    /// The handshake of a certificate connection.
    Tls(io::Error),
    /// The handshake of a pre-shared key connection.
    Psk(openssl::ssl::Error),
}

async fn tcp(host: &str, port: u16) -> Result<TcpStream, DialFault> {
    let stream = TcpStream::connect((host, port)).await.map_err(DialFault::Tcp)?;
    // Batching is done here; waiting for more would only delay the last packet of a batch.
    stream.set_nodelay(true).map_err(DialFault::Tcp)?;
    Ok(stream)
}

async fn psk(
    context: &SslContext,
    stream: TcpStream,
) -> Result<tokio_openssl::SslStream<TcpStream>, openssl::ssl::Error> {
    let mut stream = tokio_openssl::SslStream::new(Ssl::new(context)?, stream)?;
    Pin::new(&mut stream).connect().await?;
    Ok(stream)
}
