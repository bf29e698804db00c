//! What a token's own text (a JWT) says of it, and what may be wrong with such a text.
//!
//! Of the text only what stands in [`Claims`] is kept. Its signature cannot be checked by its
//! holder, so a claim is a declaration and grants nothing. No word of this module repeats the
//! text. The reading itself is in `renewal::jwt`.

use chrono::{DateTime, Utc};

use crate::domain::calendar::Calendar;
use crate::domain::language::{Text, text};
use crate::domain::token::Jti;

/// What is kept of a token's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Its `jti`.
    pub jti: Jti,
    /// Its `iat`.
    pub issued: Option<DateTime<Utc>>,
    /// Its `exp`. At least one of the two dates is known.
    pub expires: Option<DateTime<Utc>>,
    /// Its `sub`: what the use is called.
    pub name: Option<String>,
    /// Its `scopes`, or `roles`.
    pub scopes: Option<Vec<String>>,
    /// SHA-256 of the text, in hex; `None` when the text is not whole.
    pub fingerprint: Option<String>,
    /// What is unusual about it.
    pub oddities: Vec<Oddity>,
}

impl Claims {
    /// The last instant at which the token works: its `exp`, else `iat` and the validity.
    pub fn expiry(&self, calendar: &Calendar, validity_months: u32) -> Option<DateTime<Utc>> {
        self.expires
            .or_else(|| Some(calendar.add_months(self.issued?, validity_months)))
    }
}

/// What is unusual about a token that is taken all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oddity {
    /// Its header says more than the algorithm.
    Header,
    /// Its third part is not the 43 characters of a signature.
    Signature,
    /// It has no `exp`.
    NoExpiry,
    /// Its `exp` is a number between quotes.
    QuotedExpiry,
    /// Its `exp` is no instant.
    UnreadableExpiry,
    /// It has no readable `iat`.
    NoIssue,
    /// Its rights stand under `roles`.
    Roles,
    /// It names no right.
    NoScopes,
    /// Its `uid` is another one than its `jti`.
    OtherUid,
    /// Its `sub` cannot serve as a name.
    Name,
}

impl Oddity {
    /// What it means, for people.
    pub fn said(self) -> Text {
        match self {
            Self::Header => text!(
                "the token’s header says more than {{\"alg\":\"HS256\"}}, which is all that API Entreprise writes",
                "l’en-tête du jeton en dit plus que {{\"alg\":\"HS256\"}}, seul écrit par API Entreprise"
            ),
            Self::Signature => text!(
                "the token’s signature is not whole: was it cut in copying? Its dates are taken, no fingerprint is kept",
                "la signature du jeton n’est pas entière : a-t-il été coupé en le copiant ? Ses dates sont prises, aucune empreinte n’est gardée"
            ),
            Self::NoExpiry => text!(
                "the token has no expiry (`exp`): it is reckoned from its issue; compare with the portal",
                "le jeton n’a pas de fin (`exp`) : elle est calculée depuis son émission ; comparer avec le portail"
            ),
            Self::QuotedExpiry => text!(
                "the token’s expiry (`exp`) is a number between quotes; it is taken",
                "la fin du jeton (`exp`) est un nombre entre guillemets ; elle est prise"
            ),
            Self::UnreadableExpiry => text!(
                "the token’s expiry (`exp`) is no instant: it is reckoned from its issue; compare with the portal",
                "la fin du jeton (`exp`) n’est pas un instant : elle est calculée depuis son émission ; comparer avec le portail"
            ),
            Self::NoIssue => text!(
                "the token has no date of issue (`iat`)",
                "le jeton n’a pas de date d’émission (`iat`)"
            ),
            Self::Roles => text!(
                "the token names its rights `roles`, as the older ones do; they are taken as scopes",
                "le jeton nomme ses droits `roles`, comme les plus anciens ; ils sont pris comme `scopes`"
            ),
            Self::NoScopes => text!(
                "the token names no right (`scopes`)",
                "le jeton ne nomme aucun droit (`scopes`)"
            ),
            Self::OtherUid => text!(
                "the token’s `uid` is another one than its `jti`; the `jti` counts",
                "le `uid` du jeton n’est pas son `jti` ; c’est le `jti` qui compte"
            ),
            Self::Name => text!(
                "what the token calls itself (`sub`) cannot be used as a name",
                "l’intitulé du jeton (`sub`) ne peut pas servir de nom"
            ),
        }
    }
}

/// Why a text is no token that can be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoToken {
    /// There is nothing.
    Empty,
    /// It is longer than any token.
    TooLong,
    /// It has so many parts in place of three.
    Parts(usize),
    /// The header, or the payload, is not written in base64url.
    Base64(Part),
    /// The header, or the payload, is no JSON object.
    Json(Part),
    /// The header names no algorithm, or another one, which is told if it is a plain word.
    Algorithm(Option<String>),
    /// There is no `jti`.
    NoJti,
    /// The `jti` has another form.
    BadJti,
    /// Neither `exp` nor `iat` is an instant.
    NoDate,
    /// It expires before it is issued.
    Backwards,
}

/// A part of a token's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The first.
    Header,
    /// The second.
    Payload,
}

impl Part {
    fn said(self) -> Text {
        match self {
            Self::Header => text!("first part (the header)", "première partie (l’en-tête)"),
            Self::Payload => text!("second part (the claims)", "deuxième partie (le contenu)"),
        }
    }
}

impl NoToken {
    /// What is wrong and what to do, for people.
    pub fn said(&self) -> Text {
        match self {
            Self::Empty => text!(
                "there is no token: give its whole text, three parts with dots between them",
                "il n’y a pas de jeton : donner son texte entier, trois parties séparées par des points"
            ),
            Self::TooLong => text!(
                "this is longer than any token: give one token a line",
                "c’est plus long qu’un jeton : donner un jeton par ligne"
            ),
            Self::Parts(n) => text!(
                "a token has three parts with dots between them, this text has {n}: copy it whole, on one line",
                "un jeton a trois parties séparées par des points, ce texte en a {n} : le copier entier, sur une ligne"
            ),
            Self::Base64(part) => text!(
                "the token’s {{}} is not base64url: a character is wrong, or it was cut; copy it again",
                "la {{}} du jeton n’est pas en base64url : un caractère est faux, ou il a été coupé ; le copier à nouveau"
            )
            .with(&part.said()),
            Self::Json(part) => text!(
                "the token’s {{}} is no JSON object: a character is wrong; copy it again",
                "la {{}} du jeton n’est pas un objet JSON : un caractère est faux ; le copier à nouveau"
            )
            .with(&part.said()),
            Self::Algorithm(Some(found)) => text!(
                "this is no token of API Entreprise: it is signed with {found}, theirs with HS256",
                "ce n’est pas un jeton d’API Entreprise : il est signé par {found}, les siens par HS256"
            ),
            Self::Algorithm(None) => text!(
                "this is no token of API Entreprise: its header does not name HS256",
                "ce n’est pas un jeton d’API Entreprise : son en-tête ne nomme pas HS256"
            ),
            Self::NoJti => text!(
                "the token has no `jti`, by which it would be known: declare it by hand, with its dates",
                "le jeton n’a pas de `jti`, par lequel il serait reconnu : le déclarer à la main, avec ses dates"
            ),
            Self::BadJti => text!(
                "the token’s `jti` has another form than \"8c089a39-c02f-40b3-984b-bd8843f245a5\": declare it by hand, with its dates",
                "le `jti` du jeton n’a pas la forme \"8c089a39-c02f-40b3-984b-bd8843f245a5\" : le déclarer à la main, avec ses dates"
            ),
            Self::NoDate => text!(
                "neither the token’s `exp` nor its `iat` is an instant: declare it by hand, with the date on the portal",
                "ni le `exp` du jeton ni son `iat` n’est un instant : le déclarer à la main, avec la date du portail"
            ),
            Self::Backwards => text!(
                "the token expires (`exp`) before it is issued (`iat`): declare it by hand, with the date on the portal",
                "le jeton expire (`exp`) avant d’être émis (`iat`) : le déclarer à la main, avec la date du portail"
            ),
        }
    }
}
