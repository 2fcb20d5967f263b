//! The digest that ties a packed row to the description it was packed by.

use sha2::{Digest, Sha256};
use sternpost_engine::contract::{Contract, Kind};

/// The first 8 bytes, big-endian, of the SHA-256 of every column's name, type, nullability and labels, in order. Bounds and units are left
/// out: they do not change how a row is packed, and the server judges by its own.
pub fn digest(contract: &Contract) -> u64 {
    let mut hash = Sha256::new();
    // Lengths stand before texts, so that no two contracts feed the same bytes.
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    for column in &contract.columns {
        text(&column.name);
        text(column.kind.name());
        text(if column.nullable { "nullable" } else { "" });
        if let Kind::Category { labels, .. } = &column.kind {
            text(&labels.labels().len().to_string());
            labels.labels().iter().for_each(|label| text(label));
        }
    }
    let bytes = hash.finalize();
    bytes.iter().take(8).fold(0, |digest, byte| digest << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contract(columns: &str) -> Contract {
        Contract::from_json(&format!(r#"{{"format": 1, "name": "Row", "columns": [{columns}]}}"#)).unwrap()
    }

    #[test]
    fn what_changes_the_packing_changes_the_digest_and_nothing_else_does() {
        let base = contract(r#"{"name": "a", "type": "float"}, {"name": "b", "type": "category", "categories": ["x", "y"]}"#);
        let bounded = contract(
            r#"{"name": "a", "type": "float", "ge": 0.0, "unit": "m"}, {"name": "b", "type": "category", "categories": ["x", "y"]}"#,
        );
        assert_eq!(digest(&base), digest(&bounded));
        for other in [
            r#"{"name": "a", "type": "int"}, {"name": "b", "type": "category", "categories": ["x", "y"]}"#,
            r#"{"name": "a", "type": "float", "nullable": true}, {"name": "b", "type": "category", "categories": ["x", "y"]}"#,
            r#"{"name": "a", "type": "float"}, {"name": "b", "type": "category", "categories": ["y", "x"]}"#,
            r#"{"name": "a", "type": "float"}, {"name": "b", "type": "category", "categories": ["xy"]}"#,
            r#"{"name": "b", "type": "category", "categories": ["x", "y"]}, {"name": "a", "type": "float"}"#,
            r#"{"name": "a", "type": "float"}"#,
        ] {
            assert_ne!(digest(&base), digest(&contract(other)), "{other}");
        }
    }
}
