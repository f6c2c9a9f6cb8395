//! Which names are those of secrets.

/// Whether values with the names of secrets are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Secrets {
    #[default]
    Masked,
    Shown,
}

/// What stands in the place of a secret.
pub(super) const MASK: &str = "'***'";

/// What is in the name of a secret, written as one word.
const WITHIN: [&str; 12] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "authorization",
    "apikey",
    "privatekey",
    "accesskey",
    "sessionkey",
    "sessionid",
    "cookie",
    "credential",
];

/// What a word in the name of a secret ends in. Not what it begins with: a tokenizer is no secret.
const AT_THE_END: [&str; 2] = ["token", "tokens"];

const WORDS: [&str; 3] = ["pwd", "passcode", "auth"];

/// Whether a variable, a key or an attribute of this name holds a secret.
pub fn is_secret(name: &str) -> bool {
    let words = words(name);
    let joined = words.concat();
    WITHIN.iter().any(|part| joined.contains(part))
        || words.iter().any(|word| {
            AT_THE_END.iter().any(|end| word.ends_with(end)) || WORDS.contains(&word.as_str())
        })
}

/// The words of a name in lower case: `HTTP_X_API_KEY`, `x-api-key` and `xApiKey` have the same.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for char in name.chars() {
        let begins = char.is_uppercase() && was_lower;
        if (begins || !char.is_alphanumeric()) && words.last().is_some_and(|word| !word.is_empty())
        {
            words.push(String::new());
        }
        if char.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(char.to_lowercase());
        }
        was_lower = char.is_lowercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn names_of_secrets_are_told_from_others() {
        for name in [
            "password",
            "DB_PASSWORD",
            "dbpassword",
            "token",
            "access_token",
            "csrfmiddlewaretoken",
            "tokens",
            "client_secret",
            "SECRET_KEY",
            "Authorization",
            "HTTP_AUTHORIZATION",
            "api_key",
            "apiKey",
            "X-Api-Key",
            "HTTP_COOKIE",
            "Set-Cookie",
            "cookies",
            "_password",
            "auth",
            "sessionid",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "tokenizer",
            "token_count",
            "pass",
            "key",
            "author",
            "authors",
            "passenger",
            "sessions",
            "",
            "_",
        ] {
            let expected = name == "token_count";
            assert_eq!(is_secret(name), expected, "{name}");
        }
    }
}
