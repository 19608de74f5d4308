//! Reads the bearer token of a call, as RFC 6750 (section 2.1) writes it. Errors never repeat a token.

use http::HeaderMap;
use http::header::AUTHORIZATION;

/// The longest header that is looked at, in bytes.
const MAX_HEADER: usize = 512;

/// The scheme, which is written in any case (RFC 9110, section 11.1).
const SCHEME: &str = "bearer";

/// The token; `None` where no such header came.
pub fn token(headers: &HeaderMap) -> Result<Option<&[u8]>, &'static str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err("there is more than one authorization header");
    }
    let bytes = value.as_bytes();
    if bytes.len() > MAX_HEADER {
        return Err("the authorization header is longer than 512 bytes");
    }
    let malformed = "the authorization header is not `Bearer <token>`";
    let (scheme, rest) = bytes.split_at_checked(SCHEME.len()).ok_or(malformed)?;
    if !scheme.eq_ignore_ascii_case(SCHEME.as_bytes()) {
        return Err(malformed);
    }
    let start = rest.iter().position(|&byte| byte != b' ').ok_or(malformed)?;
    let token = &rest[start..];
    // Letters of the token68 syntax, then any `=`.
    let padding = token.iter().rev().take_while(|&&byte| byte == b'=').count();
    let (letters, _) = token.split_at(token.len() - padding);
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    if start > 0 && !letters.is_empty() && letters.iter().all(letter) {
        Ok(Some(token))
    } else {
        Err(malformed)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&[u8]]) -> Result<Option<Vec<u8>>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_bytes(value).unwrap());
        }
        token(&headers).map(|token| token.map(<[u8]>::to_vec))
    }

    #[test]
    fn as_the_rfc_writes_it() {
        let check = |value: &[u8], want: &[u8]| assert_eq!(of(&[value]), Ok(Some(want.to_vec())));
        check(b"Bearer abc", b"abc");
        check(b"bearer abc", b"abc");
        check(b"BEARER   aZ09-._~+/==", b"aZ09-._~+/==");
        assert_eq!(of(&[]), Ok(None));
        let longest = [b"Bearer ".as_slice(), &[b'a'; MAX_HEADER - 7]].concat();
        check(&longest, &longest[7..]);
        let too_long = [longest.as_slice(), b"a"].concat();
        assert!(of(&[&too_long]).unwrap_err().contains("longer than 512"));
    }

    #[test]
    fn anything_else_is_refused() {
        let malformed: [&[u8]; 14] = [
            b"",
            b"Bearer",
            b"Bearer ",
            b"Bearer    ",
            b"Bearerabc",
            b"Basic abc",
            b" Bearer abc",
            b"Bearer abc ",
            b"Bearer a bc",
            b"Bearer\tabc",
            b"Bearer ab=c",
            b"Bearer ==",
            b"Bearer a,Bearer b",
            b"Bearer \xc3\xa4bc",
        ];
        for value in malformed {
            let refused = of(&[value]).unwrap_err();
            assert!(refused.contains("is not `Bearer"), "{:?}", String::from_utf8_lossy(value));
        }
        let two = of(&[b"Bearer abc", b"Bearer abc"]).unwrap_err();
        assert_eq!(two, "there is more than one authorization header");
    }
}
