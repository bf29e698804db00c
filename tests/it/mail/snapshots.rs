//! Whole mails, as people read them.

use jetond::domain::language::Lang;

use super::{compose, envelope, letters};

/// The same in every mail; its own tests look at it.
const STYLE: &str = include_str!("../../../templates/style.css").trim_ascii_end();

#[test]
fn every_kind_of_mail_reads_as_recorded() {
    for lang in [Lang::Fr, Lang::En] {
        for (name, letter, now) in letters() {
            let mail = compose(&letter, &envelope(lang, now));
            let whole = format!(
                "{}\n\n----- text -----\n{}\n----- html -----\n{}",
                mail.subject,
                mail.text,
                mail.html.replace(STYLE, "[style.css]")
            );
            insta::assert_snapshot!(format!("{lang}_{name}"), whole);
        }
    }
}

#[test]
fn the_whole_message_is_laid_out_as_recorded() {
    let (_, letter, now) = letters().swap_remove(2);
    let mail = compose(&letter, &envelope(Lang::Fr, now));
    let headers = String::from_utf8(mail.bytes).unwrap();
    let (headers, _) = headers.split_once("\r\n\r\n").unwrap();
    insta::assert_snapshot!("headers", headers.replace("\r\n", "\n"));
}
