//! Templates that an operator replaces.

use jetond::delivery::compose::{TemplateError, Templates};
use jetond::domain::language::Lang;

use super::{days_before, envelope, paris, reminder, token};

fn with(name: &str, source: &str) -> Result<Templates, TemplateError> {
    Templates::with_overrides([(name.to_owned(), source.to_owned())].into_iter())
}

#[test]
fn the_built_in_templates_pass_the_proof() {
    assert_eq!(Templates::built_in().proof(&paris()), Ok(()));
}

#[test]
fn an_override_takes_the_place_of_a_template() {
    let templates = with("note.txt", "{{ subject }} !").unwrap();
    assert_eq!(templates.proof(&paris()), Ok(()));
    let templates = with("footer.txt", "Mairie, {{ contact }}").unwrap();
    let letter = reminder(vec![token()]);
    let mail = templates
        .compose(&letter, &envelope(Lang::Fr, days_before(30)), &paris())
        .unwrap();
    assert!(mail.text.ends_with("Mairie, dsi@ville.example\n"));
}

#[test]
fn an_unknown_name_is_refused_with_those_that_exist() {
    let error = with("fr/wrods.txt", "x").unwrap_err();
    assert_eq!(error.template, "fr/wrods.txt");
    assert!(error.why.en.contains("fr/words.txt"), "{error}");
}

#[test]
fn a_fault_of_syntax_names_its_template_and_line() {
    let error = with("note.txt", "one\ntwo\n{% if %}\n").unwrap_err();
    assert_eq!(
        (error.template.as_str(), error.line),
        ("note.txt", Some(3)),
        "{error}"
    );
}

#[test]
fn an_undefined_variable_names_its_template_and_line_wherever_it_stands() {
    let at = |name: &str, source: &str| {
        let faults = with(name, source).unwrap().proof(&paris()).unwrap_err();
        assert_eq!(faults.len(), 1, "{faults:?}");
        (faults[0].template.clone(), faults[0].line)
    };
    let expected = |name: &str, line| (name.to_owned(), Some(line));
    assert_eq!(
        at("reminder.txt", "{{ subject }}\n{{ subjct }}\n"),
        expected("reminder.txt", 2)
    );
    // Included, inherited and imported templates too.
    assert_eq!(
        at("footer.txt", "\n\n{{ organization }}\n"),
        expected("footer.txt", 3)
    );
    assert_eq!(
        at("base.html", "<p>\n{{ nothing }}"),
        expected("base.html", 2)
    );
    // A macro that only the expired mails reach.
    let words = include_str!("../../../templates/fr/words.txt");
    let broken = words.replace("L’accès est coupé {{ t.left }}", "Coupé {{ t.letf }}");
    assert_ne!(broken, words);
    let line = broken.lines().position(|l| l.contains("letf")).unwrap() + 1;
    assert_eq!(at("fr/words.txt", &broken), expected("fr/words.txt", line));
}
