//! What serde knows of a type: its variants and fields, in order.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, IgnoredAny, MapAccess, Visitor},
};

/// Names of an enum's variants, in the order that their numbers follow: taken from what serde says of a variant that it does
/// not know, so that no list here can miss a new one.
pub fn variants<T: DeserializeOwned + fmt::Debug>() -> Vec<String> {
    let said = serde_json::from_str::<T>("{\"?\":{}}").expect_err("no variant has that name").to_string();
    let (_, expected) = said.split_once("expected").unwrap_or_else(|| panic!("serde says: {said}"));
    let names: Vec<_> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(names.len() > 1, "serde says: {said}");
    names
}

/// Name of the variant that a value is.
pub fn variant<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value).expect("plain data") {
        serde_json::Value::String(name) => name,
        serde_json::Value::Object(map) => map.keys().next().expect("externally tagged").clone(),
        other => panic!("no enum: {other}"),
    }
}

/// Names of the fields of a struct, or of what is in a variant, in order.
pub fn fields<T: Serialize>(value: &T, in_variant: bool) -> Vec<String> {
    let json = serde_json::to_string(value).expect("plain data");
    let json = if in_variant {
        json.split_once(':').and_then(|(_, inner)| inner.strip_suffix('}')).expect("externally tagged")
    } else {
        &json
    };
    serde_json::from_str::<Keys>(json).expect("an object").0
}

/// Keys of a JSON object in the order in which they stand.
struct Keys(Vec<String>);

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Keys;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
                let mut keys = Vec::new();
                while let Some((key, IgnoredAny)) = map.next_entry()? {
                    keys.push(key);
                }
                Ok(Keys(keys))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
