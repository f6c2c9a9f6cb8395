//! Files that outputs are held against. To renew them: `SPYHOLE_BLESS=1 cargo test --test NAME`.

use std::path::PathBuf;

pub fn assert_golden(name: &str, actual: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    if std::env::var_os("SPYHOLE_BLESS").is_some() {
        std::fs::write(&path, actual).expect("the golden folder can be written");
        return;
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        golden == actual,
        "{name} is not as it was; to accept what it is now: SPYHOLE_BLESS=1 cargo test --test {}",
        env!("CARGO_CRATE_NAME")
    );
}

/// Without the figures of this version, which change with it.
pub fn without_version(text: &str, before: &str) -> String {
    text.replace(
        &format!("{before}{}", env!("CARGO_PKG_VERSION")),
        &format!("{before}VERSION"),
    )
}
