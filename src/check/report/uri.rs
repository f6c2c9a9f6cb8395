//! Paths as URIs.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A relative path as a relative reference. All bytes but letters, digits and `-._~/` are
/// percent-encoded.
pub(super) fn relative(path: &str) -> String {
    encoded(path.as_bytes())
}

/// A path of our own, as `file:///...` if it is absolute.
pub(super) fn of_file(path: &Path) -> String {
    let encoded = encoded(path.as_os_str().as_bytes());
    if path.is_absolute() {
        format!("file://{encoded}")
    } else {
        encoded
    }
}

fn encoded(path: &[u8]) -> String {
    let mut uri = String::with_capacity(path.len());
    for &byte in path {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_means_no_more_than_a_path_in_a_uri() {
        assert_eq!(relative("shop/views.py"), "shop/views.py");
        assert_eq!(relative("a b/é:#?%.py"), "a%20b/%C3%A9%3A%23%3F%25.py");
        assert_eq!(relative("javascript:x"), "javascript%3Ax");
        assert_eq!(of_file(Path::new("/tmp/a b.svg")), "file:///tmp/a%20b.svg");
        assert_eq!(of_file(Path::new("out/a.svg")), "out/a.svg");
    }
}
