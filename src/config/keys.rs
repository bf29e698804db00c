//! The catalogue of keys: every name that a config file may hold, its default, and what it is.
//!
//! It drives the refusal of unknown keys with a suggestion, the help for a wrong type,
//! `config show`, and the test that holds `config.example.toml` to it.

use std::collections::HashMap;
use std::sync::LazyLock;

/// One key of the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// The table it stands in: empty for the top of the file, `groups.*` for each group, and
    /// `recipient` for the tables of a list of recipients.
    pub table: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The value in force without it, as TOML.
    pub default: Option<&'static str>,
    /// A value to show to people, as TOML.
    pub example: &'static str,
    /// What it is, in English.
    pub doc_en: &'static str,
    /// What it is, in French.
    pub doc_fr: &'static str,
}

impl Key {
    /// The whole path, as in `mail.smtp.host`.
    pub fn path(&self) -> String {
        if self.table.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.table, self.name)
        }
    }
}

/// A key with a default, which is also its example.
const fn set(
    table: &'static str,
    name: &'static str,
    default: &'static str,
    doc_en: &'static str,
    doc_fr: &'static str,
) -> Key {
    Key {
        table,
        name,
        default: Some(default),
        example: default,
        doc_en,
        doc_fr,
    }
}

/// A key without a default.
const fn free(
    table: &'static str,
    name: &'static str,
    example: &'static str,
    doc_en: &'static str,
    doc_fr: &'static str,
) -> Key {
    Key {
        table,
        name,
        default: None,
        example,
        doc_en,
        doc_fr,
    }
}

/// Every key, in the order of the example file.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    set("", "timezone", "\"Europe/Paris\"", "zone of all dates and hours", "fuseau de toutes les dates et heures"),
    set("", "language", "\"fr\"", "language of mails: fr or en", "langue des courriels : fr ou en"),
    set("", "organisation", "\"\"", "who runs this, for the footer of mails", "qui exploite ceci, pour le pied des courriels"),
    free("", "contact", "\"dsi@ville.example\"", "Reply-To, footer, alarms", "Reply-To, pied de page, alarmes"),
    set("store", "url", "\"sqlite:jetond.db\"", "the SQLite file", "le fichier SQLite"),
    set("schedule", "validity_months", "18", "months from issue to expiry", "mois entre l’émission et l’expiration"),
    set("schedule", "stages", "[90, 60, 30, 15, 7, 1]", "days before expiry", "jours avant l’expiration"),
    set("schedule", "after_expiry", "[0, 7, 30, 60, 90]", "days after expiry", "jours après l’expiration"),
    set("schedule", "then_every", "30", "days between reminders after the last of after_expiry; 0: stop", "jours entre les rappels après le dernier de after_expiry ; 0 : arrêter"),
    set("schedule", "window", "\"09:00-18:00\"", "hours in which mails leave", "heures d’envoi"),
    set("schedule", "days", "\"any\"", "days on which mails leave: any or working", "jours d’envoi : any ou working"),
    free("mail", "from", "\"Veille des jetons <jetons@ville.example>\"", "header and envelope sender", "expéditeur"),
    set("mail", "transport", "\"file\"", "where mails go: file, smtp or sendmail", "où vont les courriels : file, smtp ou sendmail"),
    set("mail", "directory", "\"outbox\"", "where transport file puts the mails", "où le transport file met les courriels"),
    set("mail", "sendmail", "\"/usr/sbin/sendmail\"", "the program of transport sendmail", "le programme du transport sendmail"),
    free("mail", "rate", "\"60/min\"", "mails at most in a second, minute or hour", "courriels au plus par seconde, minute ou heure"),
    free("mail", "per_domain", "{ \"*\" = \"60/min\", \"gmail.com\" = \"20/min\" }", "the same to one domain: one rate for each, or by name", "de même vers un domaine : un débit pour chacun, ou par nom"),
    free("mail", "storm", "50", "late mails that may leave at once; more wait for a person (0: no limit)", "courriels en retard qui peuvent partir d’un coup ; au-delà, une personne décide (0 : sans limite)"),
    free("mail", "templates", "\"templates\"", "a directory of templates that replace the built-in ones", "un répertoire de modèles qui remplacent ceux d’origine"),
    free("mail", "bounces", "{ maildir = \"/var/mail/jetond\" }", "where what comes back of mails is read", "où est lu ce qui revient des courriels"),
    free("mail.bounces", "maildir", "\"/var/mail/jetond\"", "the Maildir into which the mail server delivers what is sent to from", "le Maildir où le serveur de messagerie dépose ce qui est adressé à from"),
    free("mail.smtp", "host", "\"smtp.ville.example\"", "the relay", "le relais"),
    set("mail.smtp", "port", "587", "its port; 465 for implicit TLS, 25 for none", "son port ; 465 en TLS implicite, 25 sans"),
    set("mail.smtp", "tls", "\"starttls\"", "starttls, implicit or none", "starttls, implicit ou none"),
    set("mail.smtp", "plaintext_ok", "[]", "networks to which tls = none is allowed", "réseaux vers lesquels tls = none est permis"),
    free("mail.smtp", "ca_file", "\"ca.pem\"", "certification authorities to trust instead of the system's", "autorités de certification à la place de celles du système"),
    free("mail.smtp", "helo", "\"jetond.ville.example\"", "the name given in EHLO", "le nom donné dans EHLO"),
    free("mail.smtp", "username", "\"jetond\"", "the account at the relay", "le compte au relais"),
    free("mail.smtp", "password", "{ credential = \"smtp.password\" }", "where its password is", "où est son mot de passe"),
    set("mail.smtp", "connections", "4", "connections at most", "connexions au plus"),
    set("mail.smtp", "flight", "16", "mails in flight on a connection at most", "courriels en vol par connexion au plus"),
    free("mail.smtp", "timeouts", "{ connect = 30 }", "deadlines of the dialogue", "délais du dialogue"),
    free("mail.smtp.password", "credential", "\"smtp.password\"", "a systemd credential", "un credential systemd"),
    free("mail.smtp.password", "file", "\"smtp.password\"", "a file that only its owner may read", "un fichier lisible de son seul propriétaire"),
    free("mail.smtp.password", "env", "\"JETOND_SMTP_PASSWORD\"", "an environment variable", "une variable d’environnement"),
    set("mail.smtp.timeouts", "connect", "30", "seconds to connect", "secondes pour se connecter"),
    set("mail.smtp.timeouts", "tls", "30", "seconds for the TLS handshake", "secondes pour la négociation TLS"),
    set("mail.smtp.timeouts", "command", "300", "seconds for each command", "secondes pour chaque commande"),
    set("mail.smtp.timeouts", "data", "120", "seconds for the reply to DATA", "secondes pour la réponse à DATA"),
    set("mail.smtp.timeouts", "body", "180", "seconds for the message, and more for a long one", "secondes pour le message, et plus s’il est long"),
    set("mail.smtp.timeouts", "dot", "600", "seconds for the reply to the final dot", "secondes pour la réponse au point final"),
    set("mail.smtp.timeouts", "quit", "5", "seconds for the reply to QUIT", "secondes pour la réponse à QUIT"),
    set("renewal", "url", "\"https://datapass.api.gouv.fr/demandes/{datapass_id}/reopen-from-external\"", "the link to the renewal form", "le lien vers le formulaire de renouvellement"),
    set("renewal", "allowed_hosts", "[\"datapass.api.gouv.fr\", \"entreprise.api.gouv.fr\"]", "hosts that a link may point to", "hôtes vers lesquels un lien peut mener"),
    free("renewal", "opens", "90", "days before expiry at which the form opens", "jours avant l’expiration où le formulaire ouvre"),
    set("retention", "bodies_months", "13", "months for which the texts of mails are kept; 0: for ever", "mois pendant lesquels le texte des courriels est gardé ; 0 : toujours"),
    set("retention", "names_months", "36", "months after which people in the record of the past become pseudonyms; 0: never", "mois après lesquels les personnes nommées dans l’historique deviennent des pseudonymes ; 0 : jamais"),
    free("heartbeat", "url", "\"https://hc-ping.com/…\"", "told after each pass whether all is well; it carries a key: also { credential, file or env }", "prévenue après chaque passage si tout va bien ; elle porte une clé : aussi { credential, file ou env }"),
    free("heartbeat", "form", "\"healthchecks\"", "healthchecks or uptime-kuma; by default as the address shows", "healthchecks ou uptime-kuma ; par défaut selon l’adresse"),
    free("heartbeat.url", "credential", "\"heartbeat.url\"", "a systemd credential", "un credential systemd"),
    free("heartbeat.url", "file", "\"heartbeat.url\"", "a file that only its owner may read", "un fichier lisible de son seul propriétaire"),
    free("heartbeat.url", "env", "\"JETOND_HEARTBEAT_URL\"", "an environment variable", "une variable d’environnement"),
    set("reports", "weekly", "true", "a report at Monday's slot, also when there is nothing to say", "un rapport le lundi, même s’il n’y a rien à dire"),
    free("reports", "recipients", "[\"dsi@ville.example\"]", "who gets it; the contact by default", "qui le reçoit ; le contact par défaut"),
    free("web", "listen", "\"127.0.0.1:8080\"", "where HTTP is answered, behind a reverse proxy; without it there is no server", "où le service répond en HTTP, derrière un mandataire inverse ; sans elle, pas de serveur"),
    free("web", "public_url", "\"https://jetons.ville.example\"", "the address of its pages from outside, for the links in the mails", "l’adresse de ses pages vue de l’extérieur, pour les liens des courriels"),
    set("web", "hosts", "[]", "further names under which it may be asked", "autres noms sous lesquels il peut être appelé"),
    free("web.auth", "users", "[{ name = \"c.martin\", password = { credential = \"web.c.martin\" } }]", "who logs in to the pages with a password", "qui se connecte aux pages avec un mot de passe"),
    free("web.auth", "proxy", "{ header = \"X-Remote-User\", from = [\"127.0.0.1\"] }", "a reverse proxy that logs people in and tells their name", "un mandataire inverse qui authentifie les personnes et donne leur nom"),
    set("web.auth", "loopback", "false", "whether who is on this machine looks without login", "si l’on consulte sans connexion depuis cette machine"),
    free("web.auth.users", "name", "\"c.martin\"", "the name of the login", "le nom de connexion"),
    free("web.auth.users", "password", "{ credential = \"web.c.martin\" }", "where the line is that jetond hash-password prints, or the line itself", "où est la ligne que donne jetond hash-password, ou cette ligne elle-même"),
    set("web.auth.users", "role", "\"viewer\"", "viewer (looks) or operator (acts)", "viewer (consulte) ou operator (agit)"),
    free("web.auth.users.password", "credential", "\"web.c.martin\"", "a systemd credential", "un credential systemd"),
    free("web.auth.users.password", "file", "\"web.c.martin\"", "a file that only its owner may read", "un fichier lisible de son seul propriétaire"),
    free("web.auth.users.password", "env", "\"JETOND_WEB_C_MARTIN\"", "an environment variable", "une variable d’environnement"),
    free("web.auth.proxy", "header", "\"X-Remote-User\"", "the header with the name; the proxy must strip it from what it receives", "l’en-tête qui porte le nom ; le mandataire doit l’ôter de ce qu’il reçoit"),
    free("web.auth.proxy", "from", "[\"127.0.0.1\", \"10.0.0.0/8\"]", "where its connections come from; elsewhere the header counts for nothing", "d’où viennent ses connexions ; d’ailleurs, l’en-tête ne compte pas"),
    set("web.auth.proxy", "operators", "[]", "who acts; the others look", "qui agit ; les autres consultent"),
    set("web.metrics", "tokens", "true", "whether /metrics shows each token", "si /metrics montre chaque jeton"),
    set("web.metrics", "max_tokens", "10000", "tokens at most that it shows: the nearest to expiry", "jetons qu’il montre au plus : les plus proches de l’expiration"),
    free("web.metrics", "token", "{ credential = \"metrics.token\" }", "where the secret is by which a program asks for /metrics and /readyz (Authorization: Bearer)", "où est le secret par lequel un programme demande /metrics et /readyz (Authorization: Bearer)"),
    free("web.metrics.token", "credential", "\"metrics.token\"", "a systemd credential", "un credential systemd"),
    free("web.metrics.token", "file", "\"metrics.token\"", "a file that only its owner may read", "un fichier lisible de son seul propriétaire"),
    free("web.metrics.token", "env", "\"JETOND_METRICS_TOKEN\"", "an environment variable", "une variable d’environnement"),
    free("datapass", "secrets", "[{ credential = \"datapass.secret\" }]", "where the secrets are that sign Data Pass's webhooks: one, or two while one takes the other's place", "où sont les secrets qui signent les webhooks de Data Pass : un, ou deux pendant que l’un remplace l’autre"),
    set("datapass", "on_approve", "\"ask\"", "what an approval does: ask (a note asks for the renewal) or renew", "ce que fait une validation : ask (une note demande le renouvellement) ou renew"),
    free("datapass.secrets", "credential", "\"datapass.secret\"", "a systemd credential", "un credential systemd"),
    free("datapass.secrets", "file", "\"datapass.secret\"", "a file that only its owner may read", "un fichier lisible de son seul propriétaire"),
    free("datapass.secrets", "env", "\"JETOND_DATAPASS_SECRET\"", "an environment variable", "une variable d’environnement"),
    set("probe", "base_url", "\"https://entreprise.api.gouv.fr\"", "where API Entreprise is asked about the tokens that have a secret", "où API Entreprise est interrogée sur les jetons qui ont un secret"),
    set("probe", "allowed_hosts", "[\"entreprise.api.gouv.fr\"]", "hosts that a token may be sent to", "hôtes à qui un jeton peut être envoyé"),
    set("probe", "hour", "23", "the local hour over which the day's calls are spread, 0 to 23: one call a token", "l’heure locale sur laquelle les appels du jour sont répartis, de 0 à 23 : un par jeton"),
    set("probe", "ping", "\"insee/unites_legales\"", "the provider and source asked for, without a token, when the API fails", "le fournisseur et la source interrogés, sans jeton, quand l’API est en défaut"),
    free("probe", "ca_file", "\"ca.pem\"", "certification authorities to trust instead of the system's", "autorités de certification à la place de celles du système"),
    set("probe", "allow_private", "false", "whether the host may be on this machine or a private network", "si l’hôte peut être sur cette machine ou un réseau privé"),
    free("notify", "name", "\"dsi\"", "its name here, as in jetond send-test '#dsi'", "son nom ici, comme dans jetond send-test '#dsi'"),
    free("notify", "kind", "\"mattermost\"", "mattermost, matrix (also Tchap) or webhook", "mattermost, matrix (Tchap aussi) ou webhook"),
    free("notify", "url", "\"https://chat.ville.example/hooks/…\"", "where mattermost and webhook are told; it may carry a key: also { credential, file or env }", "où mattermost et webhook sont prévenus ; elle peut porter une clé : aussi { credential, file ou env }"),
    free("notify", "homeserver", "\"https://matrix.ville.example\"", "the server of a matrix room", "le serveur d’un salon matrix"),
    free("notify", "room", "\"!AbCdEf:ville.example\"", "the room's internal id", "l’identifiant interne du salon"),
    free("notify", "token", "{ credential = \"notify.token\" }", "where the access token is of the account that posts", "où est le jeton d’accès du compte qui publie"),
    free("notify", "secret", "{ credential = \"notify.secret\" }", "where the secret is that signs what a webhook gets", "où est le secret qui signe ce que reçoit un webhook"),
    set("notify", "from_stage", "15", "told from this many days before expiry on", "prévenu à partir de ce nombre de jours avant l’expiration"),
    set("notify", "alarms", "true", "told also when the watch itself is ill, or the API refuses a token", "prévenu aussi quand la veille elle-même va mal, ou que l’API refuse un jeton"),
    free("notify", "language", "\"fr\"", "language of its posts", "langue de ses messages"),
    free("notify", "client", "[\"mairie-x\"]", "told of the tokens of these clients only", "prévenu pour les jetons de ces clients seulement"),
    free("notify", "tags", "[\"achats\"]", "told of tokens with one of these tags only", "prévenu pour les jetons portant une de ces étiquettes seulement"),
    free("notify", "allowed_hosts", "[\"chat.ville.example\"]", "hosts that posts may go to; by default that of the address, required where that is a secret", "hôtes où les messages peuvent aller ; par défaut celui de l’adresse, obligatoire quand elle est secrète"),
    set("notify", "allow_private", "false", "whether the host may be on this machine or a private network", "si l’hôte peut être sur cette machine ou un réseau privé"),
    free("notify", "ca_file", "\"ca.pem\"", "certification authorities to trust instead of the system's", "autorités de certification à la place de celles du système"),
    free("notify.url", "credential", "\"notify.url\"", "a systemd credential", "un credential systemd"),
    free("notify.url", "file", "\"notify.url\"", "a file that only its owner may read", "un fichier lisible de son seul propriétaire"),
    free("notify.url", "env", "\"JETOND_NOTIFY_URL\"", "an environment variable", "une variable d’environnement"),
    free("notify.token", "credential", "\"notify.token\"", "a systemd credential", "un credential systemd"),
    free("notify.token", "file", "\"notify.token\"", "a file that only its owner may read", "un fichier lisible de son seul propriétaire"),
    free("notify.token", "env", "\"JETOND_NOTIFY_TOKEN\"", "an environment variable", "une variable d’environnement"),
    free("notify.secret", "credential", "\"notify.secret\"", "a systemd credential", "un credential systemd"),
    free("notify.secret", "file", "\"notify.secret\"", "a file that only its owner may read", "un fichier lisible de son seul propriétaire"),
    free("notify.secret", "env", "\"JETOND_NOTIFY_SECRET\"", "an environment variable", "une variable d’environnement"),
    free("groups.*", "recipients", "[\"dsi@ville.example\", \"astreinte@ville.example\"]", "the people of the group", "les personnes du groupe"),
    free("clients.*", "name", "\"Mairie de X\"", "its name for people", "son nom pour les personnes"),
    free("clients.*", "contact", "\"dsi@mairie-x.example\"", "who answers its questions", "qui répond à ses questions"),
    free("clients.*", "language", "\"fr\"", "language of its mails", "langue de ses courriels"),
    free("clients.*", "recipients", "[\"dgs@mairie-x.example\"]", "told about each of its tokens", "prévenus pour chacun de ses jetons"),
    free("token", "id", "\"marches-publics\"", "stable: the history hangs on it", "stable : l’historique en dépend"),
    free("token", "name", "\"Marchés publics\"", "its name for people", "son nom pour les personnes"),
    free("token", "issued", "2025-06-15", "when it was issued", "quand il a été émis"),
    free("token", "expires", "2026-12-15", "when it expires; wins over issued", "quand il expire ; l’emporte sur issued"),
    free("token", "datapass_id", "\"11244\"", "the number of its Data Pass request", "le numéro de sa demande Data Pass"),
    free("token", "jti", "\"8c089a39-c02f-40b3-984b-bd8843f245a5\"", "its jti", "son jti"),
    free("token", "siret", "\"13002526500013\"", "the SIRET of the body that holds it", "le SIRET de l’organisme titulaire"),
    free("token", "used_by", "[\"Portail des marchés\"]", "the services that stop when it expires", "les services qui s’arrêtent à son expiration"),
    free("token", "tags", "[\"marches\"]", "labels, for lists", "étiquettes, pour les listes"),
    free("token", "client", "\"mairie-x\"", "the client it is held for", "le client pour qui il est tenu"),
    free("token", "language", "\"fr\"", "language of its mails", "langue de ses courriels"),
    free("token", "recipients", "[\"c.martin@ville.example\"]", "the people to be told", "les personnes à prévenir"),
    free("token", "secret", "{ credential = \"token.marches-publics\" }", "where its own text (the JWT) is, if API Entreprise is to be asked about it once a day", "où est son propre texte (le JWT), si API Entreprise doit être interrogée à son sujet une fois par jour"),
    free("token.secret", "credential", "\"token.marches-publics\"", "a systemd credential", "un credential systemd"),
    free("token.secret", "file", "\"token.marches-publics\"", "a file that only its owner may read", "un fichier lisible de son seul propriétaire"),
    free("token.secret", "env", "\"JETOND_TOKEN_MARCHES_PUBLICS\"", "an environment variable", "une variable d’environnement"),
    free("recipient", "email", "\"c.martin@ville.example\"", "the address", "l’adresse"),
    free("recipient", "name", "\"Camille Martin\"", "the person's name", "le nom de la personne"),
    free("recipient", "role", "\"demandeur\"", "demandeur, metier, technique or observer", "demandeur, metier, technique ou observer"),
    free("recipient", "language", "\"fr\"", "language of their mails", "langue de ses courriels"),
    free("recipient", "from_stage", "15", "told from this many days before expiry on", "prévenu à partir de ce nombre de jours avant l’expiration"),
    free("recipient", "group", "\"dsi\"", "in place of email: everyone of this group", "à la place de email : tous ceux de ce groupe"),
];

/// The keys of each table.
static TABLES: LazyLock<HashMap<&'static str, Vec<&'static Key>>> = LazyLock::new(|| {
    let mut tables: HashMap<&'static str, Vec<&'static Key>> = HashMap::new();
    for key in KEYS {
        tables.entry(key.table).or_default().push(key);
    }
    tables
});

/// The tables that may stand in a table, with the form of their header.
pub(super) fn tables_in(table: &str) -> &'static [&'static str] {
    match table {
        "" => &[
            "store",
            "schedule",
            "mail",
            "renewal",
            "retention",
            "heartbeat",
            "reports",
            "web",
            "datapass",
            "probe",
            "notify",
            "groups",
            "clients",
            "token",
        ],
        "mail" => &["smtp"],
        "web" => &["auth", "metrics"],
        _ => &[],
    }
}

/// The keys of a table.
pub(super) fn keys_of(table: &str) -> &'static [&'static Key] {
    TABLES.get(table).map_or(&[], Vec::as_slice)
}

/// The key `name` of `table`.
pub(super) fn find(table: &str, name: &str) -> Option<&'static Key> {
    keys_of(table).iter().copied().find(|k| k.name == name)
}

/// The tables that stand once in a file, in the order of the example file; of secrets only their
/// key counts.
pub(super) fn single_tables() -> impl Iterator<Item = &'static str> {
    let mut seen = Vec::new();
    KEYS.iter().map(|k| k.table).filter(move |table| {
        let many = table.ends_with(".*")
            || matches!(*table, "token" | "recipient" | "notify" | "web.auth.users");
        let is_new = !seen.contains(table);
        seen.push(*table);
        is_new && !many && find(table, "credential").is_none()
    })
}

/// A key of this name in one of the other tables that stand once in a file.
pub(super) fn elsewhere(table: &str, name: &str) -> Option<&'static Key> {
    // Whoever writes `[[tokens]]` does not mean these.
    let unlikely = ["mail.smtp.timeouts", "web.metrics"];
    single_tables()
        .filter(|t| *t != table && !unlikely.contains(t))
        .find_map(|t| find(t, name))
}

/// The candidate nearest to `word`, when it is near enough to be what was meant.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    if word.len() > 64 {
        return None;
    }
    let folded = word.to_lowercase().replace('-', "_");
    let allowed = (folded.chars().count() / 3).clamp(1, 3);
    candidates
        .into_iter()
        .map(|c| {
            let other = c.to_lowercase().replace('-', "_");
            (strsim::damerau_levenshtein(&folded, &other), c)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_proposed_and_a_far_one_is_not() {
        let names = ["recipients", "name", "issued"];
        assert_eq!(nearest("recipient", names), Some("recipients"));
        assert_eq!(nearest("isued", names), Some("issued"));
        assert_eq!(nearest("colour", names), None);
    }

    #[test]
    fn every_default_and_example_is_toml() {
        for key in KEYS {
            assert!(
                toml::de::DeValue::parse(key.example).is_ok(),
                "{}",
                key.path()
            );
        }
    }
}
