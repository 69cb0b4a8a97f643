//! The quoting function against the shells themselves.

mod shells;

use proptest::{collection::vec, prelude::*};
use workflows::quote::{NulByte, print_exact, quote, words};

/// What the shells make of `texts` as arguments, one after the other, each ended by a NUL.
fn read_back(shell: &str, texts: &[String]) -> Vec<u8> {
    // env and not the shell's own printf prints them: mksh has none, and a program sees what any program would see.
    let text = format!("exec env printf '%s\\0' {}\n", words(texts).expect("no NUL"));
    shells::sh(shell, &text).stdout
}

fn expected(texts: &[String]) -> Vec<u8> {
    texts.iter().flat_map(|t| t.bytes().chain([0])).collect()
}

fn check(texts: &[String]) -> Result<(), TestCaseError> {
    for shell in shells::shells() {
        prop_assert_eq!(read_back(shell, texts), expected(texts), "{}", shell);
    }
    Ok(())
}

/// Pieces that have a meaning somewhere in a shell.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "'",
        "\"",
        "\\",
        "$",
        "`",
        "$(id)",
        "${HOME}",
        "$((1+1))",
        "\n",
        "\r",
        "\t",
        " ",
        ";",
        "&",
        "|",
        "<",
        ">",
        "*",
        "?",
        "[a]",
        "{a,b}",
        "~",
        "~root",
        "#",
        "!",
        "!!",
        "=",
        "-",
        "--",
        "-n",
        "%s",
        "%",
        "^",
        "\u{7f}",
        "\u{1b}[31m",
        "\u{1}",
        "\u{9b}",
        "é",
        "日本",
        "\u{202e}",
        "\u{fffd}",
        "\u{1f600}",
        "a",
        "''",
        "'\\''",
        "\\\n",
        "EOF",
        "\\0",
        "\\c",
        "$'x'",
        "\"'\"",
    ]);
    prop_oneof![
        3 => vec(piece, 0..12).prop_map(|p| p.concat()),
        1 => vec(any::<char>().prop_filter("NUL is refused", |c| *c != '\0'), 0..40).prop_map(String::from_iter),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_comes_back_as_it_was(texts in vec(hostile(), 1..8)) {
        check(&texts)?;
    }

    #[test]
    fn any_text_is_printed_as_it_is(text in hostile()) {
        for shell in shells::shells() {
            let printed = shells::sh(shell, &print_exact(&text).expect("no NUL")).stdout;
            prop_assert_eq!(printed, text.as_bytes(), "{}", shell);
        }
    }
}

#[test]
fn every_single_byte_character_comes_back() {
    let texts: Vec<String> = (1..=0xff_u8).map(|b| char::from(b).to_string()).collect();
    check(&texts).unwrap();
}

#[test]
fn a_very_long_text_comes_back() {
    let long = "it's \\ \"long\" $(x) é\n".repeat(5_000);
    check(std::slice::from_ref(&long)).unwrap();
    let longer = long.repeat(20);
    for shell in shells::shells() {
        assert!(shells::sh(shell, &print_exact(&longer).unwrap()).stdout == longer.as_bytes(), "{shell}");
    }
}

#[test]
fn quoted_twice_it_survives_two_shells() {
    for shell in shells::shells() {
        let inner = words(&["printf", "%s|", "it's", "a\nb", "\\", "$HOME"]).unwrap();
        let text = words(&[shell, "-c", &inner]).unwrap();
        assert_eq!(shells::sh(shell, &text).stdout, b"it's|a\nb|\\|$HOME|", "{shell}");
    }
}

#[test]
fn nul_is_refused() {
    assert_eq!(quote("a\0"), Err(NulByte));
    assert_eq!(words(&["a", "\0"]), Err(NulByte));
    assert_eq!(print_exact("\0"), Err(NulByte));
}
