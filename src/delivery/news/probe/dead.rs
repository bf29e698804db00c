//! The note about a death: what the API says, since when, what it means, who can act.

use chrono::{DateTime, Utc};

use super::Told;
use crate::delivery::news::{day, name_of};
use crate::domain::language::{Text, text};
use crate::domain::token::Role;
use crate::domain::verdict::words::{INCIDENTS, SUPPORT};
use crate::domain::verdict::{Case, Reading, Verdict};
use crate::store::outbox::Person;

/// How a token is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    Expired,
    Revoked,
    Unknown,
}

impl Death {
    /// The death that a verdict is; `None`: it is none.
    pub(super) fn of(verdict: Verdict) -> Option<Self> {
        match verdict {
            Verdict::Expired => Some(Self::Expired),
            Verdict::Revoked => Some(Self::Revoked),
            Verdict::Unknown => Some(Self::Unknown),
            Verdict::Alive
            | Verdict::ScopeMissing
            | Verdict::AddressNotAllowed
            | Verdict::BadRequest
            | Verdict::OverVolume
            | Verdict::ProviderDown
            | Verdict::ServiceDown
            | Verdict::NoAnswer
            | Verdict::NotUnderstood => None,
        }
    }
}

impl Told<'_> {
    /// `others` died with it, where every token that was asked about did.
    pub(super) fn dead(
        &self,
        death: Death,
        reading: &Reading,
        (since, others): (DateTime<Utc>, Option<u32>),
        people: &[Person],
    ) -> (Text, Vec<Text>) {
        let name = name_of(self.token);
        let subject = text!(
            "Urgent: access cut, token “{name}” is refused",
            "Urgent : accès coupé, le jeton « {name} » est refusé"
        );
        let first = self.moment(since);
        let last = self.moment(self.now);
        let (first_en, first_fr, last_en, last_fr) = (first.en, first.fr, last.en, last.fr);
        let mut body = vec![
            self.refused(death, reading),
            text!(
                "It was answered first on {first_en}, and again on {last_en}.",
                "C’est la réponse reçue une première fois le {first_fr}, et de nouveau le {last_fr}."
            ),
            whose(others, reading.case),
            self.stops(),
            text!("## What to do", "## Ce qu’il faut faire"),
        ];
        body.push(self.to_do(death, people));
        body.push(text!("## To tell jetond", "## À indiquer à jetond"));
        body.push(self.to_record(death));
        body.push(text!(
            "This is told once. API Entreprise is asked again each day: as soon as it accepts the token, you are told; nothing else has to be done here.",
            "Cet avis n’est envoyé qu’une fois. API Entreprise est interrogée de nouveau chaque jour : dès qu’elle acceptera le jeton, vous en serez prévenu ; il n’y a rien d’autre à faire ici."
        ));
        (subject, body)
    }

    /// What the API says, with its code where it gave one.
    fn refused(&self, death: Death, reading: &Reading) -> Text {
        let name = name_of(self.token);
        let end = day(self.desk, self.token.period.expires);
        let (end_en, end_fr) = (end.en, end.fr);
        let known = ["00101", "00103", "00105", "00106"];
        let code = reading.codes.iter().find(|c| known.contains(&c.as_str()));
        let code = code.map_or_else(
            || text!("error 401", "erreur 401"),
            |code| text!("error 401, code {code}", "erreur 401, code {code}"),
        );
        let (code_en, code_fr) = (code.en, code.fr);
        match death {
            Death::Revoked => text!(
                "API Entreprise refuses the token “{name}”: it was withdrawn ({code_en}). The end of its validity on record, {end_en}, does not change that.",
                "API Entreprise refuse le jeton « {name} » : il a été révoqué ({code_fr}). La fin de validité enregistrée, le {end_fr}, n’y change rien."
            ),
            Death::Expired => text!(
                "API Entreprise refuses the token “{name}”: it says that it has expired ({code_en}), although its end on record is {end_en}.",
                "API Entreprise refuse le jeton « {name} » : elle le dit expiré ({code_fr}), alors que la fin enregistrée est le {end_fr}."
            ),
            Death::Unknown => text!(
                "API Entreprise refuses the token “{name}”: it does not know it ({code_en}). The end of its validity on record, {end_en}, does not change that.",
                "API Entreprise refuse le jeton « {name} » : elle ne le connaît pas ({code_fr}). La fin de validité enregistrée, le {end_fr}, n’y change rien."
            ),
        }
    }

    pub(super) fn stops(&self) -> Text {
        let services = self.token.facts.used_by.join(", ");
        if services.is_empty() {
            return text!(
                "Every call with this token is refused: the services that use it do not work.",
                "Chaque appel avec ce jeton est refusé : les services qui l’utilisent ne fonctionnent plus."
            );
        }
        text!(
            "Every call with this token is refused. It is used by: {services}.",
            "Chaque appel avec ce jeton est refusé. Il est utilisé par : {services}."
        )
    }

    fn to_do(&self, death: Death, people: &[Person]) -> Text {
        let dashboard = &self.desk.dashboard;
        let demandeur = people
            .iter()
            .find(|p| p.role == Role::Demandeur.word())
            .map(|p| p.name.clone().unwrap_or_else(|| p.address.clone()));
        let (who_en, who_fr) = demandeur.map_or_else(
            || {
                let nobody = text!("The applicant (demandeur)", "Le demandeur");
                (nobody.en, nobody.fr)
            },
            |name| {
                let who = text!(
                    "The applicant (demandeur), {name},",
                    "Le demandeur, {name},"
                );
                (who.en, who.fr)
            },
        );
        match death {
            Death::Revoked => text!(
                "- {who_en} looks up on the dashboard ({dashboard}) why it was withdrawn, and whether another token takes its place.\n- If one does, those who run the services install it.\n- If none does, a new request is needed. Questions go to {SUPPORT}; never send the token itself.",
                "- {who_fr} regarde sur le tableau de bord ({dashboard}) pourquoi il a été révoqué, et si un autre jeton le remplace.\n- Si c’est le cas, les équipes qui exploitent les services l’installent.\n- Sinon, une nouvelle demande est nécessaire. Les questions vont à {SUPPORT} ; n’envoyez jamais le jeton lui-même."
            ),
            Death::Expired => text!(
                "- {who_en} looks up its real date on the dashboard ({dashboard}), and files its renewal on Data Pass if that is not done.\n- If a new token is already there, those who run the services install it.\n- Questions go to {SUPPORT}; never send the token itself.",
                "- {who_fr} relève sa vraie date sur le tableau de bord ({dashboard}), et dépose la demande de renouvellement sur Data Pass si ce n’est pas fait.\n- Si un nouveau jeton existe déjà, les équipes qui exploitent les services l’installent.\n- Les questions vont à {SUPPORT} ; n’envoyez jamais le jeton lui-même."
            ),
            Death::Unknown => text!(
                "- Those who run the services check that the token in use is whole, and is the present one.\n- {who_en} looks up on the dashboard ({dashboard}) whether it is still there, and whether another one takes its place.\n- If it is there and still refused, write to {SUPPORT}; never send the token itself.",
                "- Les équipes qui exploitent les services vérifient que le jeton utilisé est complet, et que c’est bien l’actuel.\n- {who_fr} regarde sur le tableau de bord ({dashboard}) s’il y figure encore, et si un autre le remplace.\n- S’il y figure et reste refusé, écrivez à {SUPPORT} ; n’envoyez jamais le jeton lui-même."
            ),
        }
    }

    /// For those who keep the watch: what to tell it.
    fn to_record(&self, death: Death) -> Text {
        let id = &self.token.id;
        let own = match death {
            Death::Expired => text!(
                "- its date was wrong: `jetond renew {id} --expires YYYY-MM-DD --correct`",
                "- sa date était fausse : `jetond renew {id} --expires AAAA-MM-JJ --correct`"
            ),
            Death::Revoked => text!(
                "- it was withdrawn on purpose: `jetond revoke {id}`",
                "- il a été révoqué volontairement : `jetond revoke {id}`"
            ),
            Death::Unknown => text!(
                "- the wrong text was given as its `secret`: correct it in the configuration",
                "- un texte erroné a été donné comme `secret` : le corriger dans la configuration"
            ),
        };
        let (en, fr) = (own.en, own.fr);
        text!(
            "{en}\n- another token takes its place: `jetond supersede {id} NEW`\n- to ask now: `jetond probe {id}`",
            "{fr}\n- un autre jeton le remplace : `jetond supersede {id} NOUVEAU`\n- pour interroger maintenant : `jetond probe {id}`"
        )
    }
}

/// Whether it is this token alone.
fn whose(others: Option<u32>, case: Case) -> Text {
    match others {
        // It is answered so where no token came along, too.
        None if case == Case::NotAuthorised => text!(
            "The service answers, and does not accept what reached it. That is said of a token it does not know, but of a call without its token as well: a proxy that takes the header `Authorization` away looks the same. Try the services that use it before anything else.",
            "Le service répond, et n’accepte pas ce qui lui est parvenu. Il le dit d’un jeton qu’il ne connaît pas, mais aussi d’un appel sans son jeton : un mandataire (proxy) qui retire l’en-tête `Authorization` donne le même résultat. Essayez d’abord les services qui l’utilisent."
        ),
        None => text!(
            "The service answers, and it is this token that it refuses.",
            "Le service répond, et c’est ce jeton qu’il refuse."
        ),
        Some(others) => text!(
            "All the {others} other tokens that were asked about in the last 24 hours are refused as well: the fault may well be at API Entreprise. Before anything else, look at its incidents ({INCIDENTS}); if none is told there, write to {SUPPORT}.",
            "Les {others} autres jetons vérifiés ces dernières 24 heures sont tous refusés eux aussi : il se peut que le problème vienne d’API Entreprise. Avant toute chose, consultez ses incidents ({INCIDENTS}) ; si aucun n’y est annoncé, écrivez à {SUPPORT}."
        ),
    }
}
