//! Words that depend on a number: a thing once or several times, and days from an end.

use crate::domain::language::{Text, counted, text};

/// So many mails.
pub(crate) fn mails(n: impl TryInto<i64>) -> Text {
    counted(n, ["mail", "mails"], ["courriel", "courriels"])
}

/// So many tokens.
pub(crate) fn tokens(n: impl TryInto<i64>) -> Text {
    counted(n, ["token", "tokens"], ["jeton", "jetons"])
}

fn days(n: i64) -> Text {
    counted(n, ["day", "days"], ["jour", "jours"])
}

/// How far the end is, from now.
pub(crate) fn left(n: i64) -> Text {
    match n {
        1.. => {
            let Text { en, fr } = days(n);
            let word = if n == 1 { "restant" } else { "restants" };
            text!("{en} left", "{fr} {word}")
        }
        0 => text!("the last day", "dernier jour"),
        ..0 => {
            let Text { en, fr } = days(-n);
            text!("expired {en} ago", "expiré depuis {fr}")
        }
    }
}

/// Where a day stands, seen from the end.
pub(crate) fn from_the_end(n: i64) -> Text {
    match n {
        1.. => {
            let Text { en, fr } = days(n);
            text!("{en} before the end", "{fr} avant la fin")
        }
        0 => text!("on the last day", "le dernier jour"),
        ..0 => {
            let Text { en, fr } = days(-n);
            text!("{en} after the end", "{fr} après la fin")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stage_is_told_from_the_end_in_both_languages() {
        let said = |n| {
            let Text { en, fr } = from_the_end(n);
            format!("{en} | {}", fr.replace('\u{a0}', "~"))
        };
        assert_eq!(
            [15, 1, 0, -1, -7].map(said),
            [
                "15 days before the end | 15~jours avant la fin",
                "1 day before the end | 1~jour avant la fin",
                "on the last day | le dernier jour",
                "1 day after the end | 1~jour après la fin",
                "7 days after the end | 7~jours après la fin",
            ]
        );
        assert_eq!(left(-7).en, "expired 7 days ago");
        assert_eq!(tokens(0_u32).en, "0 tokens");
        assert_eq!(tokens(0_u32).fr, "0\u{a0}jeton");
    }
}
