//! What machine this is.

/// The number and the model of the processors, such as `4 x AMD EPYC 7B13`; `None` where the kernel does
/// not tell.
pub fn processors() -> Option<String> {
    let told = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let field = |name: &str| {
        let mut lines = told.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.trim() == name);
        found.map(|(_, value)| value.trim().to_owned())
    };
    let model = field("model name").or_else(|| {
        let part = field("CPU part")?;
        Some(format!("{} {part}", field("CPU implementer")?))
    })?;
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    Some(format!("{count} x {model}"))
}
