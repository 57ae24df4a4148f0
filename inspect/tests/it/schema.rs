//! What programs may rely on: `schema.json`, which every report in these tests is held to.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

const SCHEMA: &str = include_str!("../../schema.json");

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        let schema = serde_json::from_str(SCHEMA).unwrap();
        jsonschema::draft202012::new(&schema).unwrap()
    })
}

/// Holds a report to the schema.
pub(crate) fn check(report: &Value) {
    let errors: Vec<_> = validator()
        .iter_errors(report)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn the_schema_refuses_what_it_does_not_tell_of() {
    let (_, mut report) = crate::json(&["tests/golden/linux/sessions-102-refused-duplicate.core"]);
    assert!(validator().is_valid(&report));
    report["findings"][0]["severity"] = json!("bad");
    assert!(!validator().is_valid(&report));
    report["findings"][0]["severity"] = json!("damaged");
    report["handovers"][0]["luo"]["more"] = json!(1);
    assert!(!validator().is_valid(&report));
}

#[test]
fn every_part_of_the_schema_is_described() {
    fn walk(schema: &Value, path: &str) {
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], false, "{path}");
            let required = schema["required"].as_array().unwrap();
            for (name, property) in properties {
                assert!(required.iter().any(|one| one == name), "{path}: {name} may be missing");
                assert!(property["description"].is_string(), "{path}: {name} is not described");
                walk(property, &format!("{path}.{name}"));
            }
        }
    }
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    walk(&schema, "report");
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        walk(definition, name);
    }
}
