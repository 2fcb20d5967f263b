//! Models, graphs, nodes and their attributes.

use std::collections::BTreeMap;

use super::tensor::Tensor;
use super::wire::{Fields, Flaw};
use crate::error::{Error, Result};

/// A graph of operators.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Graph {
    /// What goes in, without constants that are listed there too.
    pub inputs: Vec<Port>,
    /// What comes out.
    pub outputs: Vec<Port>,
    /// The operators in an order in which they can run.
    pub nodes: Vec<Node>,
    /// Constants by name.
    pub constants: BTreeMap<String, Tensor>,
    /// Versions of the operator sets, by domain; the plain one is `""`.
    pub opsets: BTreeMap<String, i64>,
}

/// One end of a graph.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// ONNX's number of the element type; 0 if it is not a tensor.
    pub element: i64,
    /// Its dimensions; free ones are `None`.
    pub dims: Vec<Option<u64>>,
}

/// One operator.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Node {
    /// Its name, which may be empty.
    pub name: String,
    /// What it does.
    pub op: String,
    /// Whose operator it is; `""` is ONNX's own.
    pub domain: String,
    /// Names of its inputs; an absent one is empty.
    pub inputs: Vec<String>,
    /// Names of its outputs; an unwanted one is empty.
    pub outputs: Vec<String>,
    /// Its settings.
    pub attributes: BTreeMap<String, Attribute>,
}

/// One setting of an operator.
#[derive(Debug, Clone, PartialEq)]
pub enum Attribute {
    /// A float.
    Single(f32),
    /// A whole number.
    Whole(i64),
    /// A text.
    Text(String),
    /// A constant.
    Tensor(Tensor),
    /// Floats.
    Singles(Vec<f32>),
    /// Whole numbers.
    Wholes(Vec<i64>),
    /// Texts.
    Texts(Vec<String>),
    /// Something that no operator of ours takes, such as a graph; it was not read.
    Other,
}

impl Graph {
    /// Reads an ONNX file.
    ///
    /// # Errors
    /// `Error::Model` that says where the bytes are not what such a file has.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        Self::model(bytes).map_err(|flaw| Error::Model(format!("the ONNX file cannot be read: {flaw}; export the model again")))
    }

    fn model(bytes: &[u8]) -> std::result::Result<Self, Flaw> {
        let mut graph = None;
        let mut opsets = BTreeMap::new();
        let mut fields = Fields::of(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                7 if graph.is_some() => return Err("it has two graphs".to_owned()),
                7 => graph = Some(Self::content(value.bytes()?)?),
                8 => {
                    let (domain, version) = opset(value.bytes()?)?;
                    opsets.insert(plain(domain), version);
                }
                20 => return Err("it trains".to_owned()),
                25 => return Err("it defines functions of its own".to_owned()),
                _ => {}
            }
        }
        let mut graph = graph.ok_or("it has no graph")?;
        graph.opsets = opsets;
        Ok(graph)
    }

    fn content(bytes: &[u8]) -> std::result::Result<Self, Flaw> {
        let mut graph = Self::default();
        let mut fields = Fields::of(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => {
                    let place = graph.nodes.len();
                    graph.nodes.push(Node::read(value.bytes()?).map_err(|flaw| format!("node {place}: {flaw}"))?);
                }
                5 => {
                    let (name, tensor) = Tensor::read(value.bytes()?)?;
                    if graph.constants.insert(name.clone(), tensor).is_some() {
                        return Err(format!("constant {name:?} is there twice"));
                    }
                }
                11 => graph.inputs.push(Port::read(value.bytes()?).map_err(|flaw| format!("an input: {flaw}"))?),
                12 => graph.outputs.push(Port::read(value.bytes()?).map_err(|flaw| format!("an output: {flaw}"))?),
                15 => return Err("it has a sparse constant".to_owned()),
                _ => {}
            }
        }
        graph.inputs.retain(|input| !graph.constants.contains_key(&input.name));
        Ok(graph)
    }
}

fn opset(bytes: &[u8]) -> std::result::Result<(String, i64), Flaw> {
    let (mut domain, mut version) = (String::new(), 0);
    let mut fields = Fields::of(bytes);
    while let Some((field, value)) = fields.next()? {
        match field {
            1 => domain = value.text()?,
            2 => version = value.whole()?,
            _ => {}
        }
    }
    Ok((domain, version))
}

/// ONNX's own domain has two names.
fn plain(domain: String) -> String {
    if domain == "ai.onnx" { String::new() } else { domain }
}

impl Port {
    fn read(bytes: &[u8]) -> std::result::Result<Self, Flaw> {
        let mut port = Self::default();
        let mut fields = Fields::of(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => port.name = value.text()?,
                2 => {
                    let mut kinds = Fields::of(value.bytes()?);
                    while let Some((kind, value)) = kinds.next()? {
                        if kind == 1 {
                            port.tensor(value.bytes()?)?;
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(port)
    }

    fn tensor(&mut self, bytes: &[u8]) -> std::result::Result<(), Flaw> {
        let mut fields = Fields::of(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => self.element = value.whole()?,
                2 => {
                    let mut dims = Fields::of(value.bytes()?);
                    while let Some((_, value)) = dims.next()? {
                        let mut dim = Fields::of(value.bytes()?);
                        let mut size = None;
                        while let Some((field, value)) = dim.next()? {
                            if field == 1 {
                                size = u64::try_from(value.whole()?).ok();
                            }
                        }
                        self.dims.push(size);
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it is a float32 tensor.
    pub fn is_single(&self) -> bool {
        self.element == super::tensor::FLOAT
    }
}

impl Node {
    fn read(bytes: &[u8]) -> std::result::Result<Self, Flaw> {
        let mut node = Self::default();
        let mut fields = Fields::of(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => node.inputs.push(value.text()?),
                2 => node.outputs.push(value.text()?),
                3 => node.name = value.text()?,
                4 => node.op = value.text()?,
                5 => {
                    let (name, attribute) = Attribute::read(value.bytes()?)?;
                    if node.attributes.insert(name.clone(), attribute).is_some() {
                        return Err(format!("attribute {name:?} is there twice"));
                    }
                }
                7 => node.domain = plain(value.text()?),
                _ => {}
            }
        }
        Ok(node)
    }

    /// A float, or `None` if it is not set.
    ///
    /// # Errors
    /// For this and the ones below: `Error::Model` that names node and attribute, if it is set to something of another type.
    pub fn single(&self, name: &str) -> Result<Option<f32>> {
        self.take(name, "a float", |attribute| if let Attribute::Single(value) = attribute { Some(*value) } else { None })
    }

    /// A whole number.
    ///
    /// # Errors
    /// As [`Self::single`].
    pub fn whole(&self, name: &str) -> Result<Option<i64>> {
        self.take(name, "a whole number", |attribute| if let Attribute::Whole(value) = attribute { Some(*value) } else { None })
    }

    /// A text.
    ///
    /// # Errors
    /// As [`Self::single`].
    pub fn text(&self, name: &str) -> Result<Option<&str>> {
        self.take(name, "a text", |attribute| if let Attribute::Text(value) = attribute { Some(value.as_str()) } else { None })
    }

    /// A constant.
    ///
    /// # Errors
    /// As [`Self::single`].
    pub fn tensor(&self, name: &str) -> Result<Option<&Tensor>> {
        self.take(name, "a tensor", |attribute| if let Attribute::Tensor(value) = attribute { Some(value) } else { None })
    }

    /// Floats; none if it is not set.
    ///
    /// # Errors
    /// As [`Self::single`].
    pub fn singles(&self, name: &str) -> Result<&[f32]> {
        let found =
            self.take(name, "floats", |attribute| if let Attribute::Singles(all) = attribute { Some(all.as_slice()) } else { None });
        Ok(found?.unwrap_or_default())
    }

    /// Whole numbers; none if it is not set.
    ///
    /// # Errors
    /// As [`Self::single`].
    pub fn wholes(&self, name: &str) -> Result<&[i64]> {
        let found =
            self.take(name, "whole numbers", |attribute| if let Attribute::Wholes(all) = attribute { Some(all.as_slice()) } else { None });
        Ok(found?.unwrap_or_default())
    }

    /// Texts; none if it is not set.
    ///
    /// # Errors
    /// As [`Self::single`].
    pub fn texts(&self, name: &str) -> Result<&[String]> {
        let found = self.take(name, "texts", |attribute| if let Attribute::Texts(all) = attribute { Some(all.as_slice()) } else { None });
        Ok(found?.unwrap_or_default())
    }

    fn take<'a, T>(&'a self, name: &str, wanted: &str, read: impl Fn(&'a Attribute) -> Option<T>) -> Result<Option<T>> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(attribute) => match read(attribute) {
                Some(value) => Ok(Some(value)),
                None => Err(self.wrong(&format!("attribute {name:?} is {}; {wanted} was expected", attribute.word()))),
            },
        }
    }

    /// An error about this node.
    pub fn wrong(&self, text: &str) -> Error {
        Error::Model(format!("{self}: {text}; export the model again"))
    }
}

impl std::fmt::Display for Node {
    /// The operator with the name of its first output, which every node has and no two share.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let output = self.outputs.iter().find(|output| !output.is_empty()).map_or("nothing", String::as_str);
        write!(f, "operator {} that makes {output:?}", self.op)
    }
}

impl Attribute {
    fn read(bytes: &[u8]) -> std::result::Result<(String, Self), Flaw> {
        let mut name = String::new();
        let mut kind = None;
        let (mut single, mut whole, mut text, mut tensor) = (0.0, 0, String::new(), None);
        let (mut singles, mut wholes, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        let mut last = 0;
        let mut fields = Fields::of(bytes);
        while let Some((field, value)) = fields.next()? {
            match field {
                1 => name = value.text()?,
                2 => single = value.single()?,
                3 => whole = value.whole()?,
                4 => text = String::from_utf8_lossy(value.bytes()?).into_owned(),
                5 => tensor = Some(Tensor::read(value.bytes()?)?.1),
                7 => value.singles(&mut singles)?,
                8 => value.wholes(&mut wholes)?,
                9 => texts.push(String::from_utf8_lossy(value.bytes()?).into_owned()),
                20 => kind = Some(value.whole()?),
                _ => {}
            }
            // Fields 2 to 9 are the contents, and the types of ONNX follow them one below; files without a type are older than the field.
            if (2..=9).contains(&field) {
                last = field as i64 - 1;
            }
        }
        let attribute = match kind.unwrap_or(last) {
            1 => Self::Single(single),
            2 => Self::Whole(whole),
            3 => Self::Text(text),
            4 => Self::Tensor(tensor.ok_or_else(|| format!("attribute {name:?} has no content"))?),
            6 => Self::Singles(singles),
            7 => Self::Wholes(wholes),
            8 => Self::Texts(texts),
            _ => Self::Other,
        };
        Ok((name, attribute))
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Single(_) => "a float",
            Self::Whole(_) => "a whole number",
            Self::Text(_) => "a text",
            Self::Tensor(_) => "a tensor",
            Self::Singles(_) => "floats",
            Self::Wholes(_) => "whole numbers",
            Self::Texts(_) => "texts",
            Self::Other => "of a type that is not read",
        }
    }
}
