//! A guide as text: its blocks of code, and the tables of calls in it.

/// A guide, and what its reader comes from.
pub struct Guide {
    pub path: &'static str,
    text: &'static str,
    /// How the fence of the other client's program begins.
    pub fence: &'static str,
    pub program: &'static str,
    /// The calls of the other client that the tables may name.
    pub calls: &'static str,
}

/// What the programs print.
pub const OUTPUT: &str = include_str!("output.txt");

/// Our program.
pub fn ours() -> &'static str {
    without_head(include_str!("program.rs"))
}

pub fn guides() -> [Guide; 3] {
    [
        Guide {
            path: "docs/from-python.md",
            text: include_str!("../../docs/from-python.md"),
            fence: "python",
            program: include_str!("program.py"),
            calls: include_str!("calls.py"),
        },
        Guide {
            path: "docs/from-official-crate.md",
            text: include_str!("../../docs/from-official-crate.md"),
            fence: "rust,ignore",
            program: without_head(include_str!(
                "../../benches/peers/examples/official_guide.rs"
            )),
            calls: include_str!("../../benches/peers/examples/official_calls.rs"),
        },
        Guide {
            path: "docs/from-chromadb.md",
            text: include_str!("../../docs/from-chromadb.md"),
            fence: "rust,ignore",
            program: without_head(include_str!(
                "../../benches/peers/examples/chromadb_guide.rs"
            )),
            calls: include_str!("../../benches/peers/examples/chromadb_calls.rs"),
        },
    ]
}

impl Guide {
    /// Its blocks of code: how the fence begins, and what is within.
    pub fn blocks(&self) -> Vec<(&str, String)> {
        let mut blocks = Vec::new();
        let mut lines = self.text.lines();
        while let Some(line) = lines.next() {
            if let Some(fence) = line.strip_prefix("```") {
                let within = lines.by_ref().take_while(|line| *line != "```");
                blocks.push((fence, within.map(|line| format!("{line}\n")).collect()));
            }
        }
        blocks
    }

    /// The rows of its tables that name calls: theirs and ours.
    pub fn rows(&self) -> Vec<[String; 2]> {
        let lines = self.text.lines().filter(|line| line.starts_with('|'));
        let rows = lines.map(|line| {
            // A bar within code has a backslash before it.
            let line = line.replace("\\|", "\u{0}");
            let cells = line.split('|').map(|cell| cell.replace('\u{0}', "|"));
            match <[String; 4]>::try_from(cells.collect::<Vec<_>>()) {
                Ok([_, theirs, ours, _]) => [theirs, ours],
                Err(cells) => panic!("{}: not two cells in {cells:?}", self.path),
            }
        });
        rows.filter(|row| row.iter().any(|cell| cell.contains('`')))
            .collect()
    }
}

/// The code in a cell, but for single words, such as types and environment variables.
pub fn code_in(cell: &str) -> impl Iterator<Item = &str> {
    let is_word = |code: &str| code.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let code = cell.split('`').skip(1).step_by(2);
    code.filter(move |code| !is_word(code))
}

/// Code as it is on one line and as it is on several.
pub fn in_one_piece(code: &str) -> String {
    let mut code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    for end in [")", "]", "}"] {
        code = code.replace(&format!(",{end}"), end);
    }
    code
}

/// A program without what it says of itself at its top.
fn without_head(program: &str) -> &str {
    program.split_once("\n\n").map_or(program, |(_, rest)| rest)
}
