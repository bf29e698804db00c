//! A private name server (NSD): unpacked under `target/`, on a free loopback port, gone with the
//! test. Only with `JETOND_TEST_REAL=1`: [`NameServer::start`] gives `None` otherwise.

use std::net::{SocketAddr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::debian;

/// How long it may take to answer at all; it takes a moment.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running name server with authority over `example`.
pub(crate) struct NameServer {
    address: SocketAddr,
    process: Child,
    _place: tempfile::TempDir,
}

impl NameServer {
    /// Serves `example`, with these records in it: `ville MX 10 mx.ville`.
    pub(crate) fn start(records: &str) -> Option<Self> {
        let root = debian::unpacked(&["nsd"])?;
        let place = tempfile::tempdir().unwrap();
        let free = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let (at, port) = (place.path().display(), address.port());
        let head =
            "$ORIGIN example.\n$TTL 60\n@ SOA ns admin 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n";
        std::fs::write(place.path().join("zone"), format!("{head}{records}\n")).unwrap();
        let conf = format!(
            "server:\n ip-address: 127.0.0.1@{port}\n port: {port}\n username: \"\"\n chroot: \"\"\n \
             zonesdir: \"{at}\"\n pidfile: \"\"\n database: \"\"\n xfrdfile: \"{at}/xfrd\"\n xfrdir: \"{at}\"\n \
             zonelistfile: \"{at}/zones\"\n server-count: 1\n\
             remote-control:\n control-enable: no\n\
             zone:\n name: \"example\"\n zonefile: \"zone\"\n"
        );
        std::fs::write(place.path().join("nsd.conf"), conf).unwrap();
        let libraries = root.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
        let process = Command::new(root.join("usr/sbin/nsd"))
            .args(["-d", "-c"])
            .arg(place.path().join("nsd.conf"))
            .env("LD_LIBRARY_PATH", libraries)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self {
            address,
            process,
            _place: place,
        };
        server.wait();
        Some(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Asks for the SOA until it is answered.
    fn wait(&self) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket
            .set_read_timeout(Some(Duration::from_millis(200)))
            .unwrap();
        let query =
            b"\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x00\x00\x06\x00\x01";
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            let mut room = [0; 512];
            // A port that is not open yet refuses the one or the other.
            let _refused = socket.send_to(query, self.address);
            if let Ok(read) = socket.recv(&mut room)
                && read > 12
                && room[3] & 0x0f == 0
            {
                return;
            }
        }
        panic!("no name server after {PATIENCE:?}");
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        // It has children of its own, which end with it when it is asked, not when it is killed.
        crate::support::program::signal(self.process.id(), "TERM");
        let _ended = self.process.wait();
    }
}
