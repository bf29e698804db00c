//! Who cannot be reached, since when and why.

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::reach::{TRIAL, Way};
use crate::store::unreachable::Unreachable;
use crate::words::when;

/// Since when somebody cannot be reached, and why.
pub(crate) fn told(u: &Unreachable, calendar: &Calendar) -> Text {
    let (to, since) = (&u.address, when::minute(u.since, calendar));
    let (mail, said) = (u.mail, &u.said);
    let told = match u.how {
        Way::Refused => text!(
            "{to} cannot be reached since {since}: the mail server refuses the address ({said}; mail {mail})",
            "{to} ne peut pas être joint depuis le {since} : le serveur de messagerie refuse l’adresse ({said} ; courriel {mail})"
        ),
        Way::Bounced | Way::Expired => text!(
            "{to} cannot be reached since {since}: what was sent came back ({said}; mail {mail})",
            "{to} ne peut pas être joint depuis le {since} : ce qui a été envoyé est revenu ({said} ; courriel {mail})"
        ),
    };
    match u.accepted_at {
        None => told,
        Some(accepted) => {
            let (on, until) = (
                when::minute(accepted, calendar),
                when::minute(accepted + TRIAL, calendar),
            );
            text!(
                "{{}}; a later mail was accepted on {on}, and settles it if it does not come back by {until}",
                "{{}} ; un courriel ultérieur a été accepté le {on}, ce qui règle la question s’il ne revient pas d’ici le {until}"
            )
            .with(&told)
        }
    }
}
