//! Whether somebody answers where API Entreprise is asked. Nothing is asked, and no token is read.

use std::time::Duration;

use crate::config;
use crate::domain::language::Text;
use crate::http::{Bounds, Client, Names, Reach, Roots};

/// For the connection and the handshake.
const DEADLINE: Duration = Duration::from_secs(30);

/// Connects, with a valid certificate, and nothing more.
///
/// # Errors
/// Why nobody was reached, in words.
pub async fn knock(probe: &config::Probe) -> Result<(), Text> {
    let bounds = Bounds {
        deadline: DEADLINE,
        keep: 0,
        reach: if probe.allow_private {
            Reach::Anywhere
        } else {
            Reach::Open
        },
    };
    let roots = probe.ca_file.clone().map_or(Roots::System, Roots::File);
    let client = Client::new(bounds, roots, Names::System);
    let knocked = client.knock(&probe.base_url).await;
    knocked.map_err(|fault| fault.told())
}
