//! Writes small ONNX files for tests.

use super::{Attribute, Data, Node, Tensor};

/// A message in the making.
#[derive(Debug, Clone, Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    fn varint(mut self, mut number: u64) -> Self {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
        self
    }

    pub(crate) fn number(self, field: u64, number: i64) -> Self {
        self.varint(field << 3).varint(number as u64)
    }

    pub(crate) fn bytes(self, field: u64, bytes: &[u8]) -> Self {
        let mut message = self.varint(field << 3 | 2).varint(bytes.len() as u64);
        message.0.extend_from_slice(bytes);
        message
    }

    /// A field that claims a length, and nothing behind it.
    pub(crate) fn claim(self, field: u64, length: u64) -> Self {
        self.varint(field << 3 | 2).varint(length)
    }

    pub(crate) fn single(self, field: u64, value: f32) -> Self {
        let mut message = self.varint(field << 3 | 5);
        message.0.extend_from_slice(&value.to_le_bytes());
        message
    }
}

/// A node with attributes.
pub(crate) fn node(op: &str, inputs: &[&str], outputs: &[&str], attributes: &[(&str, Attribute)]) -> Node {
    let (domain, op) = op.rsplit_once(':').unwrap_or(("", op));
    let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let attributes = attributes.iter().map(|(name, attribute)| ((*name).to_owned(), attribute.clone())).collect();
    Node { name: String::new(), op: op.to_owned(), domain: domain.to_owned(), inputs: texts(inputs), outputs: texts(outputs), attributes }
}

pub(crate) fn tensor(name: &str, tensor: &Tensor) -> Message {
    let mut message = Message::default().bytes(8, name.as_bytes());
    for dim in &tensor.dims {
        message = message.number(1, *dim as i64);
    }
    let (kind, raw): (i64, Vec<u8>) = match &tensor.data {
        Data::F32(values) => (1, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Data::F64(values) => (11, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Data::I64(values) => (7, values.iter().flat_map(|value| value.to_le_bytes()).collect()),
        Data::Bool(values) => (9, values.iter().map(|value| u8::from(*value)).collect()),
        Data::Other(kind) => (*kind, Vec::new()),
    };
    message.number(2, kind).bytes(9, &raw)
}

fn attribute(name: &str, attribute: &Attribute) -> Message {
    let message = Message::default().bytes(1, name.as_bytes());
    match attribute {
        Attribute::Single(value) => message.single(2, *value).number(20, 1),
        Attribute::Whole(value) => message.number(3, *value).number(20, 2),
        Attribute::Text(text) => message.bytes(4, text.as_bytes()).number(20, 3),
        Attribute::Tensor(value) => message.bytes(5, &tensor("", value).0).number(20, 4),
        Attribute::Singles(values) => values.iter().fold(message, |message, value| message.single(7, *value)).number(20, 6),
        Attribute::Wholes(values) => values.iter().fold(message, |message, value| message.number(8, *value)).number(20, 7),
        Attribute::Texts(texts) => texts.iter().fold(message, |message, text| message.bytes(9, text.as_bytes())).number(20, 8),
        Attribute::Other => message.bytes(6, b"").number(20, 5),
    }
}

pub(crate) fn written_node(node: &Node) -> Message {
    let mut message = Message::default();
    for input in &node.inputs {
        message = message.bytes(1, input.as_bytes());
    }
    for output in &node.outputs {
        message = message.bytes(2, output.as_bytes());
    }
    message = message.bytes(4, node.op.as_bytes()).bytes(7, node.domain.as_bytes());
    for (name, value) in &node.attributes {
        message = message.bytes(5, &attribute(name, value).0);
    }
    message
}

fn port(name: &str, width: usize) -> Message {
    let free = Message::default().bytes(2, b"N");
    let fixed = Message::default().number(1, width as i64);
    let shape = Message::default().bytes(1, &free.0).bytes(1, &fixed.0);
    let kind = Message::default().bytes(1, &Message::default().number(1, 1).bytes(2, &shape.0).0);
    Message::default().bytes(1, name.as_bytes()).bytes(2, &kind.0)
}

/// A file with float32 input `X` of `features` columns and float32 output `Y` of `outputs`.
pub(crate) fn model(nodes: &[Node], constants: &[(&str, Tensor)], features: usize, outputs: usize) -> Vec<u8> {
    let mut graph = Message::default();
    for node in nodes {
        graph = graph.bytes(1, &written_node(node).0);
    }
    for (name, value) in constants {
        graph = graph.bytes(5, &tensor(name, value).0);
    }
    graph = graph.bytes(11, &port("X", features).0).bytes(12, &port("Y", outputs).0);
    let opset = Message::default().bytes(1, b"").number(2, 17);
    Message::default().number(1, 8).bytes(8, &opset.0).bytes(7, &graph.0).0
}
