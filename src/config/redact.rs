//! Keeps secrets out of what is shown: a second net under the rule that the configuration has none.

const MARKS: [&str; 4] = ["passw", "secret", "passphrase", "community"];

/// Whether a name says that its value is a secret. `password_file` names a path and is none.
pub(super) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    MARKS.iter().any(|mark| name.contains(mark)) && !name.ends_with("_file")
}

/// The line with everything masked that follows a word which names a secret and an equals sign.
pub(super) fn redact_line(line: &str) -> String {
    // ASCII lower-casing keeps every byte position.
    let lower = line.to_ascii_lowercase();
    let mut from = 0;
    while let Some(at) = MARKS.iter().filter_map(|mark| lower[from..].find(mark)).min() {
        let start = from + at;
        let word_end =
            lower[start..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(lower.len(), |i| start + i);
        let after = lower[word_end..].trim_start_matches(['"', '\'', ' ', '\t']);
        if after.starts_with('=') && !lower[..word_end].ends_with("_file") {
            let equals = lower.len() - after.len();
            return format!("{}= ****", &line[..equals]);
        }
        from = word_end.max(start + 1);
    }
    line.to_owned()
}

/// A text of many lines with what looks like a secret masked.
pub fn redact(text: &str) -> String {
    let mut out: String = text.lines().map(|line| redact_line(line) + "\n").collect();
    if !text.ends_with('\n') {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_secret_names_are_masked_and_files_are_not() {
        for (line, shown) in [
            ("password = \"hunter2\"", "password = ****"),
            ("\"Passwd\" = 'hunter2' # old", "\"Passwd\" = ****"),
            (
                "options = { ip = \"10.0.0.1\", snmp_priv_passwd=\"x\" }",
                "options = { ip = \"10.0.0.1\", snmp_priv_passwd= ****",
            ),
            ("argv = [\"fence\", \"--password=hunter2\"]", "argv = [\"fence\", \"--password= ****"),
            ("password_file = \"/etc/hamn/bmc-a.password\"", "password_file = \"/etc/hamn/bmc-a.password\""),
            ("password_file = \"/a\", password = \"b\"", "password_file = \"/a\", password = ****"),
            ("name = \"passworthy\"", "name = \"passworthy\""),
        ] {
            assert_eq!(redact_line(line), shown);
        }
        assert_eq!(redact("a = 1\nsecret = 2\n"), "a = 1\nsecret = ****\n");
        assert_eq!(redact("secret=é"), "secret= ****");
    }
}
