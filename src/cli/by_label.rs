//! A table of what the time was spent on, for each value of a label.

use comfy_table::{CellAlignment, Table, presets};

use crate::insight::{Activity, by_label};
use crate::model::visible;
use crate::profile::Profile;

/// The most rows; the rest is one row.
const MOST: usize = 20;

/// The table for the label with this key; `None` if no sample has it.
pub fn table(profile: &Profile, key: &str) -> Option<String> {
    let rows = by_label(profile, key);
    if rows.iter().all(|row| row.value.is_none()) {
        return None;
    }
    let whole = profile.total().wall.as_secs_f64().max(f64::MIN_POSITIVE);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let activities = Activity::ALL.map(|it| it.title().to_uppercase());
    let mut heads = vec![key.to_uppercase()];
    heads.extend(["SAMPLES", "SECONDS", "SHARE", "CPU s"].map(str::to_owned));
    heads.extend(activities);
    table.set_header(heads);
    for row in rows.iter().take(MOST) {
        let name = row.value.map_or_else(
            || "(without)".to_owned(),
            |value| visible(profile.interner.text(value)).into_owned(),
        );
        let seconds = row.values.wall.as_secs_f64();
        let mut cells = vec![
            name,
            row.values.count.to_string(),
            format!("{seconds:.2}"),
            format!("{:.1} %", 100.0 * seconds / whole),
            format!("{:.2}", row.values.cpu.as_secs_f64()),
        ];
        cells.extend(Activity::ALL.map(|activity| {
            let at = row
                .at
                .get(&activity)
                .map_or(0.0, |it| it.wall.as_secs_f64());
            format!("{:.0} %", 100.0 * at / seconds.max(f64::MIN_POSITIVE))
        }));
        table.add_row(cells);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = table.to_string();
    if rows.len() > MOST {
        text += &format!("\n({} more)", rows.len() - MOST);
    }
    Some(text)
}
