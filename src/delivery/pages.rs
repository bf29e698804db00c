//! The links in a reminder that lead to the daemon's own pages, where its reader says what
//! happened.
//!
//! Such a link is a key: who has it speaks as the recipient. So only mails that leave carry one;
//! what is shown in advance carries a sample that opens nothing.

use std::sync::Arc;

use crate::domain::public_url::PublicUrl;
use crate::domain::ticket::{Holder, Keyring, Page};

/// In place of a ticket; none is so short.
const SAMPLE: &str = "preview";

/// Whether mails carry links to the pages, and which.
#[derive(Debug, Clone, Default)]
pub enum Pages {
    /// Nobody answers there: mails offer replies.
    #[default]
    None,
    /// Links that open nothing, for what is only shown.
    Sample(PublicUrl),
    /// Links that open the page of their reader.
    Signed(PublicUrl, Arc<Keyring>),
}

impl Pages {
    /// The address of the holder's page, if mails carry one.
    pub fn of(&self, holder: &Holder<'_>) -> Option<String> {
        match self {
            Self::None => None,
            Self::Sample(url) => Some(url.page(&Page::Overview.path(SAMPLE))),
            Self::Signed(url, keys) => Some(url.page(&Page::Overview.path(&keys.sign(holder)?))),
        }
    }

    /// The keys by which tickets are believed.
    pub fn keys(&self) -> Option<&Arc<Keyring>> {
        match self {
            Self::None | Self::Sample(_) => None,
            Self::Signed(_, keys) => Some(keys),
        }
    }
}
