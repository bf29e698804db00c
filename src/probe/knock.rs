//! Whether somebody answers where API Entreprise is asked. Nothing is asked, and no token is read.

use std::time::Duration;

use crate::config;
use crate::domain::language::Text;
use crate::http::Client;

/// For the connection and the handshake.
const DEADLINE: Duration = Duration::from_secs(30);

/// Connects, with a valid certificate, and nothing more.
///
/// # Errors
/// Why nobody was reached, in words.
pub async fn knock(probe: &config::Probe) -> Result<(), Text> {
    let ca_file = probe.ca_file.as_deref();
    let client = Client::declared(DEADLINE, 0, probe.allow_private, ca_file);
    let knocked = client.knock(&probe.base_url).await;
    knocked.map_err(|fault| fault.told())
}
