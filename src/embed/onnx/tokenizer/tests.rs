//! Tests of the tokenizer. PyPI's `tokenizers` gave the ids in them.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::Tokenizer;
use super::files::from_json;

fn numbers(list: &Value) -> Vec<i32> {
    let list = list.as_array().unwrap().iter();
    list.map(|id| id.as_i64().unwrap() as i32).collect()
}

fn check(tokenizer: &Tokenizer, text: &str, ids: &[i32], max: usize) {
    let found = tokenizer.encode(text, max);
    let shown: String = text.chars().take(300).collect();
    assert_eq!(found, ids, "{shown:?}");
}

/// A small tokenizer.json. PyPI's `tokenizers` gave the ids in the tests below.
fn small() -> Value {
    let words = [
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##a", "##b", "cafe", "café", "un",
        "##aff", "##able", "日", "本", "##本", ".", "[", "]", "sep", "the", "the1", "CAFE", "ε",
        "##σ", "##ς", "new", "york", "i", "i\u{307}", "x",
    ];
    let added = |id: usize, content: &str, normalized: bool| {
        json!({
            "id": id, "content": content, "special": !normalized, "single_word": false, "lstrip": normalized,
            "rstrip": false, "normalized": normalized,
        })
    };
    let mut all: Vec<Value> = (0..5).map(|id| added(id, words[id], false)).collect();
    all.push(added(words.len(), "New York", true));
    let vocabulary: Map<String, Value> = (0..)
        .zip(words)
        .map(|(id, word)| (word.to_owned(), json!(id)))
        .collect();
    let special = |token| json!({"SpecialToken": {"id": token, "type_id": 0}});
    json!({
        "version": "1.0",
        "truncation": {"max_length": 128, "strategy": "LongestFirst", "stride": 0},
        "padding": null,
        "added_tokens": all,
        "normalizer": {
            "type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [special("[CLS]"), {"Sequence": {"id": "A", "type_id": 0}}, special("[SEP]")],
            "special_tokens": {
                "[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]},
            },
        },
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 10, "vocab": vocabulary,
        },
    })
}

fn read_json(json: &Value) -> Result<Tokenizer, String> {
    from_json(json.to_string().as_bytes()).and_then(Tokenizer::of)
}

/// Returns the small tokenizer.json with another value at a JSON pointer.
fn changed(pointer: &str, value: Value) -> Value {
    let mut json = small();
    *json.pointer_mut(pointer).unwrap() = value;
    json
}

#[test]
fn ids_of_a_small_vocabulary() {
    let tokenizer = read_json(&small()).unwrap();
    for (text, ids) in [
        ("", &[][..]),
        (" \t", &[]),
        ("Café", &[8]),
        ("cafe\u{301}", &[8]),
        ("unaffable", &[10, 11, 12]),
        ("unaffablex", &[1]),
        ("a[SEP]b", &[5, 3, 1]),
        ("[sep]", &[17, 19, 18]),
        ("日本", &[13, 14]),
        ("ababababab", &[5, 7, 6, 7, 6, 7, 6, 7, 6, 7]),
        ("abababababa", &[1]),
        ("a\0\u{200b}b", &[5, 7]),
        ("a.b", &[5, 16, 1]),
        ("the [MASK].", &[20, 4, 16]),
        ("I like New  York", &[28, 1, 26, 27]),
        ("in New York.", &[1, 31, 16]),
        ("newyork NEW YORKa", &[1, 31, 5]),
        ("ΕΣ", &[23, 24]),
        ("İ", &[28]),
        ("\u{fffd}", &[]),
        ("a\u{2028}a", &[5, 5]),
    ] {
        check(&tokenizer, text, &[&[2], ids, &[3]].concat(), 128);
    }
    assert_eq!(
        (tokenizer.max_id(), tokenizer.max_tokens()),
        (31, Some(128))
    );
}

#[test]
fn each_setting_of_the_normalizer_has_its_effect() {
    for (setting, value, text, ids) in [
        ("lowercase", json!(false), "Café", &[1][..]),
        ("lowercase", json!(false), "CAFE", &[22]),
        ("strip_accents", json!(false), "Café", &[9]),
        ("strip_accents", json!(false), "cafe\u{301}", &[1]),
        ("strip_accents", json!(false), "İ", &[29]),
        ("clean_text", json!(false), "a\0\u{200b}b", &[1]),
        ("handle_chinese_chars", json!(false), "日本", &[13, 15]),
    ] {
        let json = changed(&format!("/normalizer/{setting}"), value);
        let tokenizer = read_json(&json).unwrap();
        check(&tokenizer, text, &[&[2], ids, &[3]].concat(), 128);
    }
}

#[test]
fn a_long_text_is_cut_and_its_rest_is_not_read() {
    let tokenizer = read_json(&small()).unwrap();
    check(&tokenizer, "aba aba aba", &[2, 5, 7, 6, 5, 7, 6, 5, 3], 9);
    check(&tokenizer, "aba [MASK] aba", &[2, 5, 7, 6, 4, 3], 6);
    check(&tokenizer, "a", &[2, 3], 2);
    // It would take minutes to read all of the text each time. With the token "New York", all of it must be read.
    let mut json = small();
    json["added_tokens"].as_array_mut().unwrap().pop();
    let tokenizer = read_json(&json).unwrap();
    let long = "aba ".repeat(1_000_000);
    for _ in 0..1_000 {
        assert_eq!(tokenizer.encode(&long, 10).len(), 10);
    }
}

fn check_refused(json: &Value, why: &str) {
    let Err(error) = read_json(json) else {
        panic!("accepted, without {why}");
    };
    assert!(error.contains(why) && error.len() < 500, "{error}");
}

#[test]
fn other_kinds_of_tokenizers_are_refused() {
    let kind = |part: &str, value: &str| changed(&format!("/{part}/type"), json!(value));
    let single = |at: &str, value| changed(&format!("/post_processor/single/{at}"), value);
    for (json, why) in [
        (
            kind("model", "BPE"),
            "are BPE, BertNormalizer, BertPreTokenizer, where only WordPiece,",
        ),
        (kind("normalizer", "Sequence"), "are WordPiece, Sequence,"),
        (
            changed("/pre_tokenizer", json!(null)),
            "BertNormalizer, null, where",
        ),
        (
            kind("post_processor", "ByteLevel"),
            "its post_processor, \"ByteLevel\", does not",
        ),
        (
            changed("/post_processor", json!(null)),
            "its post_processor, null, does not",
        ),
        (
            single("1/Sequence/id", json!("B")),
            "does not put one token before",
        ),
        (
            single("0/SpecialToken/type_id", json!(1)),
            "does not put one token before",
        ),
        (
            changed("/post_processor/special_tokens/[SEP]/ids", json!([3, 3])),
            "one token before",
        ),
        (json!({}), "are WordPiece, null, null"),
    ] {
        check_refused(&json, why);
    }
}

#[test]
fn unsupported_or_damaged_contents_are_refused() {
    let added = |field: &str, value| changed(&format!("/added_tokens/4/{field}"), value);
    let vocabulary = |value| changed("/model/vocab/x", value);
    for (json, why) in [
        (
            added("single_word", json!(true)),
            "its added token \"[MASK]\" is not supported",
        ),
        (added("content", json!("")), "its added token \"\" is not"),
        (
            added("content", json!("New York")),
            "its added token \"New York\" is not",
        ),
        (vocabulary(json!(-1)), "the id -1"),
        (
            vocabulary(json!(3_000_000_000_u64)),
            "integer `3000000000`, expected i32",
        ),
        (vocabulary(json!("x".repeat(10_000))), "expected i32"),
        (vocabulary(json!(1.5)), "1.5"),
        (
            changed("/model/unk_token", json!("<unk>")),
            "lacks the token \"<unk>\"",
        ),
        (
            changed("/truncation", json!({"max_length": 9, "direction": "Left"})),
            "unknown variant `Left`, expected `Right`",
        ),
        (json!([]), "invalid length"),
    ] {
        check_refused(&json, why);
    }
}

#[test]
fn added_tokens_have_the_ids_that_tokenizers_gives_them() {
    let mut json = changed("/added_tokens/5/id", json!(77));
    json["added_tokens"][4]["content"] = json!("x");
    let tokenizer = read_json(&json).unwrap();
    check(&tokenizer, "New York x", &[2, 31, 30, 3], 128);
    assert_eq!(tokenizer.max_id(), 31);
    json["post_processor"]["special_tokens"]["[SEP]"]["ids"] = json!([99]);
    assert_eq!(read_json(&json).unwrap().max_id(), 99);
}

#[test]
fn cut_and_binary_files_are_refused() {
    let whole = small().to_string();
    for cut in [0, 1, whole.len() / 2, whole.len() - 1] {
        assert!(from_json(&whole.as_bytes()[..cut]).is_err());
    }
    assert!(from_json(&[0xFF; 100]).is_err());
}

fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let name = format!("chroma-tokenizer-{name}-{}", std::process::id());
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).unwrap();
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
    folder
}

fn open(name: &str, files: &[(&str, &str)]) -> Result<Tokenizer, String> {
    let folder = folder(name, files);
    let tokenizer = Tokenizer::open(&folder);
    fs::remove_dir_all(folder).unwrap();
    tokenizer
}

#[test]
fn a_vocabulary_alone_is_that_of_bert() {
    let words = "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##b\ncafe\ncafé\n\n. \r\n<s>\n日本\n";
    let vocabulary = ("vocab.txt", words);
    let tokenizer = open("vocab", &[vocabulary]).unwrap();
    check(&tokenizer, "Café ab. [SEP]", &[2, 6, 4, 5, 9, 3, 3], 128);
    assert_eq!((tokenizer.max_id(), tokenizer.max_tokens()), (11, None));

    let config = r#"{"do_lower_case": true, "strip_accents": false, "tokenize_chinese_chars": false,
        "model_max_length": 512, "cls_token": {"content": "<s>"}, "mask_token": null}"#;
    let config = ("tokenizer_config.json", config);
    let tokenizer = open("config", &[vocabulary, config]).unwrap();
    check(&tokenizer, "Café日本 日本", &[10, 1, 11, 3], 128);
    assert_eq!(tokenizer.max_tokens(), Some(512));

    for (words, config, why) in [
        (
            "",
            "{}",
            "vocab.txt: its vocabulary lacks the token \"[CLS]\"",
        ),
        ("[CLS]\n[SEP]", "{}", "lacks the token \"[UNK]\""),
        ("[CLS]\n[SEP]", "[", "tokenizer_config.json: EOF"),
        (
            "[CLS]\n[SEP]",
            r#"{"sep_token": "<s>"}"#,
            "lacks the token \"<s>\"",
        ),
    ] {
        let files = [("vocab.txt", words), ("tokenizer_config.json", config)];
        let error = open("bad", &files).err().unwrap();
        assert!(error.contains(why), "{error}");
    }
    let error = open("none", &[]).err().unwrap();
    assert_eq!(error, "it has neither tokenizer.json nor vocab.txt");
}

#[test]
fn the_most_tokens_are_those_of_sentence_transformers() {
    let json = small().to_string();
    let tokenizer = ("tokenizer.json", &*json);
    let config = ("tokenizer_config.json", r#"{"model_max_length": 512}"#);
    let unknown = (
        config.0,
        r#"{"model_max_length": 1000000000000000019884624838656}"#,
    );
    let sentences = ("sentence_bert_config.json", r#"{"max_seq_length": 256}"#);
    for (files, most) in [
        (&[tokenizer, config, sentences][..], 256),
        (&[tokenizer, config], 512),
        (&[tokenizer, unknown], 128),
    ] {
        assert_eq!(open("most", files).unwrap().max_tokens(), Some(most));
    }
    let lower = (
        sentences.0,
        r#"{"max_seq_length": null, "do_lower_case": true}"#,
    );
    let lowercases = open("lower", &[tokenizer, lower]).unwrap();
    check(&lowercases, "ΕΣ [SEP]", &[2, 23, 25, 17, 19, 18, 3], 128);
}

/// `GOLDEN_TOKENS` names a file that `tests/onnx/tokens.py` printed, which describes its lines.
#[test]
#[ignore = "needs GOLDEN_TOKENS, which tests/onnx/tokens.py makes from a model"]
fn ids_equal_those_of_the_python_library() {
    let path = std::env::var_os("GOLDEN_TOKENS").unwrap();
    let mut lines = BufReader::new(File::open(path).unwrap()).lines();
    let mut next = || Some(serde_json::from_str::<Value>(&lines.next()?.unwrap()).unwrap());
    let open = |line: &Value| {
        let max = line["max_tokens"].as_u64().unwrap() as usize;
        let folder = Path::new(line["folder"].as_str().unwrap());
        (Tokenizer::open(folder).unwrap(), max)
    };
    let (mut tokenizer, mut max) = open(&next().unwrap());
    let (mut texts, mut code_points) = (0, 0);
    while let Some(line) = next() {
        if line["folder"].is_string() {
            (tokenizer, max) = open(&line);
            continue;
        }
        let ids = numbers(&line["ids"]);
        if let Some(text) = line["text"].as_str() {
            check(&tokenizer, text, &ids, max);
            texts += 1;
        } else if let Some(text) = line["repeat"].as_str() {
            let times = line["times"].as_u64().unwrap() as usize;
            check(&tokenizer, &text.repeat(times), &ids, max);
            texts += 1;
        } else {
            let [first, last] = ["first", "last"].map(|at| line[at].as_u64().unwrap() as u32);
            for c in (first..=last).filter_map(char::from_u32) {
                check(&tokenizer, &format!("a{c}b {c}"), &ids, max);
                code_points += 1;
            }
        }
    }
    println!("compared {texts} of {texts} texts, {code_points} code points");
}
