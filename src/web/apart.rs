//! The server of a daemon: in a runtime of its own, so that no page, however long it takes to
//! make, keeps a thread from the loops that plan and deliver.

use std::net::SocketAddr;

use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use crate::web::{BindError, Limits, Live, bind, router, serve};

/// Threads for what blocks by its nature, the hashing of a password say.
const BLOCKING: usize = 4;

/// A server whose address is taken, and that does not answer yet.
#[derive(Debug)]
pub struct Server {
    listener: std::net::TcpListener,
    threads: Threads,
}

/// Its threads. They end without being waited for: their owner is a task itself.
#[derive(Debug)]
struct Threads(Option<Runtime>);

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl Server {
    /// Takes the address.
    ///
    /// # Errors
    /// When another process has it, this machine does not, the system does not permit it, or has
    /// no thread to spare.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let listener = bind(address).await?;
        let made = || {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .max_blocking_threads(BLOCKING)
                .thread_name("web")
                .enable_all()
                .build()?;
            let listener = listener.into_std()?;
            let threads = Threads(Some(runtime));
            Ok(Self { listener, threads })
        };
        made().map_err(|error| BindError { address, error })
    }

    /// Answers until `stopping`; then what has begun is answered, and this ends.
    pub async fn run(self, live: Live, limits: Limits, stopping: CancellationToken) {
        let Self { listener, threads } = self;
        let Some(runtime) = &threads.0 else { return };
        let served = runtime.spawn(async move {
            match tokio::net::TcpListener::from_std(listener) {
                Ok(listener) => {
                    serve(listener, (router(live.clone()), live), limits, stopping).await;
                }
                Err(error) => tracing::error!(%error, "the pages cannot be served"),
            }
        });
        if let Err(error) = served.await {
            tracing::error!(%error, "the server of the pages ended");
        }
    }
}
