//! An HTTP client that sends exactly the bytes it is given, on a connection of its own, and
//! reads the answer to the connection's end.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Reply {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut named = self.headers.iter().filter(|(n, _)| n == name);
        let value = named.next().map(|(_, value)| value.as_str());
        assert!(named.next().is_none(), "{name} twice: {:?}", self.headers);
        value
    }

    /// Reads one whole answer, and nothing after it.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{text:?}"));
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers = lines
            .map(|l| l.split_once(':').unwrap())
            .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
            .collect();
        Self {
            status,
            headers,
            body: body.to_owned(),
        }
    }
}

/// Sends these bytes and reads until the end; `None` when the server ended without a word.
pub(crate) async fn talk(to: SocketAddr, bytes: impl AsRef<[u8]>) -> Option<Reply> {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // A server may answer before it has read all, and stop reading.
    let _cut_short = stream.write_all(bytes.as_ref()).await;
    heard(stream).await
}

/// Reads a connection to its end.
pub(crate) async fn heard(mut stream: TcpStream) -> Option<Reply> {
    let mut answer = Vec::new();
    let ended = stream.read_to_end(&mut answer).await;
    assert!(
        ended.is_ok() || answer.is_empty(),
        "{ended:?} after {answer:?}"
    );
    (!answer.is_empty()).then(|| Reply::parse(&answer))
}

/// A request in the usual form.
pub(crate) fn request(method: &str, path: &str, host: &str, body: &str) -> String {
    let length = body.len();
    let kind = "application/x-www-form-urlencoded";
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}
