//! Input that may hold tokens: read whole into memory that is wiped, never through a buffer of
//! somebody else's, and never shown.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use zeroize::Zeroizing;

use crate::cli::{Context, Exit, Failure};
use crate::domain::jwt::{Claims, NoToken, Oddity};
use crate::domain::language::{looks_like_jwt, text};
use crate::renewal::jwt;

/// A file of 100,000 tokens has about 40 MB; what is larger is not a list of tokens.
const MOST_BYTES: usize = 256 * 1024 * 1024;

/// What is asked for at once.
const CHUNK: usize = 64 * 1024;

/// Reads a file, or standard input where it is named `-`.
pub(super) fn read(from: &Path, context: &Context) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let shown = from.display();
    if looks_like_jwt(&from.to_string_lossy()) {
        return Err(Failure::token_instead_of(&text!("a file", "d’un fichier")));
    }
    let opened = if from == Path::new("-") {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            context.out.note(&text!(
                "reading from the terminal; Ctrl-D on an empty line ends it",
                "lecture depuis le terminal ; Ctrl-D sur une ligne vide la termine"
            ));
        }
        stdin.as_fd().try_clone_to_owned().map(File::from)
    } else {
        File::open(from)
    };
    match opened.and_then(whole) {
        Ok(bytes) => Ok(bytes),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(Failure::new(
            Exit::NotFound,
            "not_found",
            text!(
                "there is no file {shown}",
                "il n’y a pas de fichier {shown}"
            ),
        )),
        Err(e) if e.kind() == io::ErrorKind::FileTooLarge => Err(Failure::new(
            Exit::Refused,
            "too_large",
            text!(
                "{shown} is larger than 256 MiB: this is no list of tokens",
                "{shown} dépasse 256 Mio : ce n’est pas une liste de jetons"
            ),
        )),
        Err(e) => Err(Failure::new(
            Exit::Refused,
            "cannot_read",
            text!(
                "{shown} cannot be read: {e}",
                "{shown} ne peut pas être lu : {e}"
            ),
        )),
    }
}

/// All of it, in one allocation in the end; no outgrown one is given back with something in it.
fn whole(mut file: File) -> io::Result<Zeroizing<Vec<u8>>> {
    let (mut chunks, mut length) = (Vec::new(), 0);
    loop {
        let mut chunk = Zeroizing::new(vec![0; CHUNK]);
        let n = match file.read(&mut chunk) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        if n == 0 {
            break;
        }
        length += n;
        if length > MOST_BYTES {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        chunks.push((chunk, n));
    }
    let mut all = Zeroizing::new(Vec::with_capacity(length));
    for (chunk, n) in &chunks {
        all.extend_from_slice(&chunk[..*n]);
    }
    Ok(all)
}

/// One token's text on standard input; what is unusual about it is told on stderr.
pub(super) fn one_jwt(context: &Context) -> Result<Claims, Failure> {
    let bytes = read(Path::new("-"), context)?;
    let refused = |why: &NoToken| Failure::new(Exit::Refused, "no_token", why.said());
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return Err(refused(&NoToken::Parts(1)));
    };
    let claims = jwt::read(text).map_err(|why| refused(&why))?;
    for said in claims.oddities.iter().copied().map(Oddity::said) {
        context.out.note(&said);
    }
    Ok(claims)
}
