//! Line tables against what each interpreter says of its own code.

mod common;

use spyhole::cpython::layout::LineFormat;
use spyhole::cpython::linetable::line_at;

/// One line of `fixtures/line_tables.py`.
type Case = (
    String,
    String,
    u32,
    String,
    u32,
    Vec<(u32, u32, Option<u32>)>,
);

#[test]
fn lines_are_those_that_the_interpreter_tells() {
    for interpreter in common::interpreters::one_of_each_version() {
        // Every twelfth file of the standard library is some hundreds of functions.
        let output = interpreter
            .command()
            .args([
                concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/line_tables.py"),
                "5",
            ])
            .output()
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {complaint}", interpreter.name);
        let printed = String::from_utf8(output.stdout).unwrap();
        let (mut functions, mut instructions) = (0, 0);
        for line in printed.lines() {
            functions += 1;
            instructions += check(&interpreter.name, &serde_json::from_str(line).unwrap());
        }
        println!(
            "{}: {instructions} instructions of {functions} functions",
            interpreter.name
        );
        assert!(functions > 100, "{}", interpreter.name);
    }
}

/// How many offsets were compared.
fn check(interpreter: &str, case: &Case) -> usize {
    let (name, format, first_line, table, code_len, ranges) = case;
    let format = match format.as_str() {
        "LnotabUnsigned" => LineFormat::LnotabUnsigned,
        "LnotabSigned" => LineFormat::LnotabSigned,
        "Ranges" => LineFormat::Ranges,
        _ => LineFormat::Locations,
    };
    let table: Vec<u8> = table
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let mut compared = 0;
    for (start, end, line) in ranges {
        // Of longer ranges the ends will do.
        let offsets = (*start..*end.min(code_len)).filter(|at| *at == *start || at + 1 == *end);
        for offset in offsets {
            assert_eq!(
                line_at(format, &table, *first_line, offset),
                *line,
                "{interpreter}: {name} at {offset}"
            );
            compared += 1;
        }
    }
    compared
}
