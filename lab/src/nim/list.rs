//! lsnim.

use super::{Backend, Object, Reply, Role, Words, error, no_object};

/// `lsnim [-l] [-Z] [-a ATTRIBUTE]… [-t TYPE | -c CLASS] [NAME]`. Columns of the short list: *captured*.
pub(super) fn lsnim(args: &[&str], backend: &dyn Backend) -> Reply {
    let words = match Words::of(args, "tcsq") {
        Ok(words) => words,
        Err(reply) => return reply,
    };
    let nim = backend.nim();
    if nim.role == Role::Unconfigured {
        return error(12, "lsnim", "this machine is not configured as a NIM master");
    }
    let (kind, class) = (words.value('t'), words.value('c'));
    if let Some(unknown) = kind.filter(|k| super::objects::class_of(k).is_none()) {
        return error(5, "lsnim", &format!("\"{unknown}\" is not a valid value for the -t flag"));
    }
    let mut chosen: Vec<&Object> = Vec::new();
    if words.rest.is_empty() {
        chosen.extend(
            nim.objects.iter().filter(|o| kind.is_none_or(|k| o.kind == k) && class.is_none_or(|c| o.class == c)),
        );
    }
    for name in &words.rest {
        match nim.object(name) {
            Some(object) => chosen.push(object),
            None => return no_object("lsnim", name),
        }
    }
    let colons = words.letters.contains('Z');
    if !words.attributes.is_empty() {
        let wanted: Vec<&str> = words.attributes.iter().map(|(n, _)| *n).collect();
        return Reply::ok(if colons { colon(&chosen, &wanted) } else { attributes(&chosen, &wanted) });
    }
    if words.letters.contains('l') {
        return Reply::ok(chosen.iter().map(|o| long(o)).collect::<String>());
    }
    if colons {
        return Reply::ok(colon(&chosen, &["class", "type"]));
    }
    Reply::ok(
        chosen.iter().fold(String::new(), |text, o| text + &format!("{:<17} {:<13} {}\n", o.name, o.class, o.kind)),
    )
}

fn value<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    match name {
        "class" => Some(&object.class),
        "type" => Some(&object.kind),
        _ => object.get(name),
    }
}

fn long(object: &Object) -> String {
    let mut text = format!("{}:\n", object.name);
    let head = [("class", object.class.as_str()), ("type", object.kind.as_str())];
    let rest = object.attributes.iter().map(|(n, v)| (n.as_str(), v.as_str()));
    for (name, value) in head.into_iter().chain(rest) {
        text += &format!("   {name:<11} = {value}\n");
    }
    text
}

/// Only objects that have one of the attributes are shown. *documented*.
fn attributes(objects: &[&Object], wanted: &[&str]) -> String {
    let mut text = String::new();
    for object in objects {
        let rows: Vec<(&str, &str)> = wanted.iter().filter_map(|n| Some((*n, value(object, n)?))).collect();
        if rows.is_empty() {
            continue;
        }
        text += &format!("{}:\n", object.name);
        for (name, value) in rows {
            text += &format!("   {name} = {value}\n");
        }
    }
    text
}

/// The form for programs: a header, then a line an object, ended by a colon. *documented* (`-Z`).
fn colon(objects: &[&Object], wanted: &[&str]) -> String {
    let mut text = format!("#name:{}:\n", wanted.join(":"));
    for object in objects {
        let values: Vec<&str> = wanted.iter().map(|n| value(object, n).unwrap_or("")).collect();
        if values.iter().any(|v| !v.is_empty()) {
            text += &format!("{}:{}:\n", object.name, values.join(":"));
        }
    }
    text
}
