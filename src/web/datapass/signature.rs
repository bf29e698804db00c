//! The signature of a webhook: HMAC-SHA256 over the body as it came, compared in constant time.
//!
//! Nothing of a body is read before it holds. Which of two secrets fits is not told to anyone.

use axum::http::HeaderMap;
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// The header that carries it, as `sha256=<hex>`.
const HEADER: &str = "x-hub-signature-256";

/// The signature of a request; `None`: there is not exactly one, or it is of another form.
pub(super) fn of(headers: &HeaderMap) -> Option<[u8; 32]> {
    let mut all = headers.get_all(HEADER).iter();
    let (Some(one), None) = (all.next(), all.next()) else {
        return None;
    };
    let hex = one.to_str().ok()?.trim().strip_prefix("sha256=")?;
    let mut bytes = [0; 32];
    if hex.len() != 2 * bytes.len() || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Whether one of the secrets made this signature of this body. All are tried, so that the time
/// does not tell which one fits.
pub(super) fn holds(signature: &[u8; 32], body: &[u8], secrets: &[SecretString]) -> bool {
    secrets.iter().fold(false, |holds, secret| {
        let key = secret.expose_secret().as_bytes();
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
        mac.update(body);
        mac.verify_slice(signature).is_ok() | holds
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// The vector of Data Pass's documentation.
    const BODY: &str = r#"{"event":"approve","fired_at":1628253953,"model_type":"authorization_request/api_entreprise","model_id":9001,"data":{"id":9001,"state":"validated"}}"#;
    const SIGNATURE: &str =
        "sha256=dd902f95bbf49e96910bbefb7873b03d9df1ff56ac73912f4e825d53d1729e98";

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HEADER, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn the_documented_signature_holds_with_its_secret_alone() {
        let secret = |s: &str| SecretString::from(s.to_owned());
        let signature = of(&headers(&[SIGNATURE])).unwrap();
        let holds = |body: &str, secrets: &[SecretString]| {
            super::holds(&signature, body.as_bytes(), secrets)
        };
        assert!(holds(BODY, &[secret("secret")]));
        assert!(holds(BODY, &[secret("secret"), secret("next")]));
        assert!(holds(BODY, &[secret("next"), secret("secret")]));
        assert!(!holds(BODY, &[secret("Secret")]));
        assert!(!holds(BODY, &[]));
        assert!(!holds(&format!("{BODY}\n"), &[secret("secret")]));
        let mut other = signature;
        other[31] ^= 1;
        assert!(!super::holds(&other, BODY.as_bytes(), &[secret("secret")]));
    }

    #[test]
    fn a_signature_has_one_form() {
        assert!(
            of(&headers(&[&SIGNATURE
                .to_uppercase()
                .replace("SHA256", "sha256")]))
            .is_some()
        );
        let bare = SIGNATURE.trim_start_matches("sha256=");
        for wrong in [
            vec![],
            vec![""],
            vec![bare],
            vec!["sha256="],
            vec!["sha1=dd902f95bbf49e96910bbefb7873b03d9df1ff56"],
            vec![&SIGNATURE[..70]],
            vec![SIGNATURE, SIGNATURE],
        ] {
            assert_eq!(of(&headers(&wrong)), None, "{wrong:?}");
        }
        let no_hex = format!("sha256={}", "é".repeat(32));
        let mut headers = HeaderMap::new();
        headers.append(HEADER, HeaderValue::from_bytes(no_hex.as_bytes()).unwrap());
        assert_eq!(of(&headers), None);
    }
}
