use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng};

use super::written::{Message, model, node, tensor};
use super::*;

fn example() -> Vec<u8> {
    let scaled = node("Sub", &["X", "c"], &["t"], &[]);
    let settings = [
        ("norm", Attribute::Text("L1".to_owned())),
        ("single", Attribute::Single(0.5)),
        ("whole", Attribute::Whole(-3)),
        ("singles", Attribute::Singles(vec![1.0, -2.0])),
        ("wholes", Attribute::Wholes(vec![7, -1])),
        ("texts", Attribute::Texts(vec!["a".to_owned(), "b".to_owned()])),
        ("graph", Attribute::Other),
        ("tensor", Attribute::Tensor(Tensor { dims: vec![2], data: Data::F64(vec![0.1, 0.2]) })),
    ];
    let ended = node("ai.onnx.ml:Normalizer", &["t"], &["Y"], &settings);
    model(&[scaled, ended], &[("c", Tensor { dims: vec![1, 2], data: Data::F32(vec![1.0, 2.0]) })], 2, 2)
}

#[test]
fn a_file_is_read_as_it_was_written() {
    let graph = Graph::read(&example()).unwrap();
    assert_eq!(graph.opsets[""], 17);
    assert_eq!(graph.inputs, [Port { name: "X".to_owned(), element: 1, dims: vec![None, Some(2)] }]);
    assert_eq!(graph.constants["c"], Tensor { dims: vec![1, 2], data: Data::F32(vec![1.0, 2.0]) });
    let [first, last] = graph.nodes.as_slice() else { panic!("two nodes") };
    assert_eq!((first.op.as_str(), first.inputs.as_slice()), ("Sub", ["X".to_owned(), "c".to_owned()].as_slice()));
    assert_eq!(last.domain, "ai.onnx.ml");
    assert_eq!(last.text("norm").unwrap(), Some("L1"));
    assert_eq!(last.single("single").unwrap(), Some(0.5));
    assert_eq!(last.whole("whole").unwrap(), Some(-3));
    assert_eq!(last.singles("singles").unwrap(), [1.0, -2.0]);
    assert_eq!(last.wholes("wholes").unwrap(), [7, -1]);
    assert_eq!(last.texts("texts").unwrap(), ["a", "b"]);
    assert_eq!(last.attributes["graph"], Attribute::Other);
    assert_eq!(last.tensor("tensor").unwrap().unwrap().data, Data::F64(vec![0.1, 0.2]));
    assert!(last.wholes("absent").unwrap().is_empty());
    let said = last.whole("norm").unwrap_err().to_string();
    assert!(said.contains("Normalizer") && said.contains("\"norm\" is a text"), "{said}");
}

#[test]
fn numbers_are_read_packed_or_one_by_one_raw_or_typed() {
    let packed = Message::default().bytes(1, b"w").bytes(8, &[1, 0xac, 0x02]).number(20, 7);
    let written = Message::default().bytes(4, b"Op").bytes(2, b"Y").bytes(5, &packed.0);
    let graph = Message::default().bytes(1, &written.0);
    let file = Message::default().bytes(7, &graph.0);
    assert_eq!(Graph::read(&file.0).unwrap().nodes[0].wholes("w").unwrap(), [1, 300]);
    let typed = Message::default().number(1, 2).number(2, 1).bytes(8, b"c").single(4, 1.5).single(4, -2.5);
    let whole = Message::default().number(1, 1).number(2, 6).bytes(8, b"d").number(5, -4);
    let file = Message::default().bytes(7, &Message::default().bytes(5, &typed.0).bytes(5, &whole.0).0);
    let graph = Graph::read(&file.0).unwrap();
    assert_eq!(graph.constants["c"].data, Data::F32(vec![1.5, -2.5]));
    assert_eq!(graph.constants["d"].data, Data::I64(vec![-4]));
}

#[test]
fn what_is_wrong_is_named() {
    let in_graph = |graph: Message| Message::default().bytes(7, &graph.0).0;
    let constant = |message: Message| in_graph(Message::default().bytes(5, &message.0));
    let two = tensor("c", &Tensor { dims: vec![1], data: Data::F32(vec![1.0]) });
    let twice = Message::default().bytes(1, b"a").number(3, 1).number(20, 2);
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (Vec::new(), "no graph"),
        (vec![0xff; 12], "within a number"),
        (Message::default().claim(7, 2 << 30).0, "claims 2147483648 bytes where 0 remain"),
        (Message::default().claim(7, u64::MAX).0, "claims 18446744073709551615 bytes"),
        (in_graph(Message::default().claim(1, 1 << 31)), "claims 2147483648 bytes"),
        (vec![0x0b], "wire type 3"),
        (in_graph(Message::default().bytes(1, &Message::default().bytes(1, &[0xc3, 0x28]).0)), "node 0: "),
        (Message::default().bytes(7, b"").bytes(7, b"").0, "two graphs"),
        (in_graph(Message::default().bytes(15, b"")), "sparse"),
        (Message::default().bytes(25, b"").0, "functions"),
        (in_graph(Message::default().bytes(5, &two.0).bytes(5, &two.0)), "\"c\" is there twice"),
        (in_graph(Message::default().bytes(1, &Message::default().bytes(5, &twice.0).bytes(5, &twice.0).0)), "\"a\" is there twice"),
        (constant(Message::default().bytes(8, b"c").number(1, 1 << 40).number(1, 1 << 40).number(2, 1)), "no size of anything"),
        (constant(Message::default().bytes(8, b"c").number(1, -1).number(2, 1)), "no size of anything"),
        (constant(Message::default().bytes(8, b"c").number(1, 1 << 40).number(2, 1).bytes(9, b"1234")), "with 4 bytes of content"),
        (constant(Message::default().bytes(8, b"c").number(1, 3).number(2, 1).single(4, 1.0)), "with 1 values"),
        (constant(Message::default().bytes(8, b"c").number(1, 1).number(2, 1).bytes(4, &[1, 2, 3])), "whole number of values"),
        (constant(Message::default().bytes(8, b"c").number(1, 1).number(2, 1).number(14, 1)), "another file"),
    ];
    for (bytes, told) in cases {
        let said = Graph::read(&bytes).unwrap_err().to_string();
        assert!(said.contains(told), "{told}: {said}");
    }
}

#[test]
fn nesting_costs_no_stack() {
    let mut inner = Message::default();
    for _ in 0..2_000 {
        let attribute = Message::default().bytes(1, b"g").bytes(6, &inner.0).number(20, 5);
        inner = Message::default().bytes(1, &Message::default().bytes(2, b"Y").bytes(5, &attribute.0).0);
    }
    let graph = Graph::read(&Message::default().bytes(7, &inner.0).0).unwrap();
    assert_eq!(graph.nodes[0].attributes["g"], Attribute::Other);
}

/// Bytes changed, cut out and doubled at random: an answer or an error, never a panic. The seed is fixed and printed when it fails.
#[test]
fn damaged_files_are_read_or_refused() {
    let good = example();
    let config = Config { cases: 4_000, failure_persistence: None, ..Config::default() };
    let rng = TestRng::from_seed(config.rng_algorithm, &[7; 32]);
    let mut runner = proptest::test_runner::TestRunner::new_with_rng(config, rng);
    let changes = prop::collection::vec((0..good.len(), any::<u8>(), 0..4_usize), 1..8);
    runner
        .run(&(changes, 0..good.len()), |(changes, end)| {
            let mut bytes = good.clone();
            for (place, byte, kind) in changes {
                let place = place % bytes.len().max(1);
                match kind {
                    0 => bytes[place] = byte,
                    1 => bytes[place] ^= 1 << (byte % 8),
                    2 => drop(bytes.drain(place..(place + usize::from(byte % 9)).min(bytes.len()))),
                    _ => bytes.insert(place, byte),
                }
                if bytes.is_empty() {
                    bytes.push(byte);
                }
            }
            if end % 3 == 0 {
                bytes.truncate(end);
            }
            if let Err(error) = Graph::read(&bytes) {
                prop_assert!(error.to_string().starts_with("the ONNX file cannot be read: "));
            }
            Ok(())
        })
        .unwrap();
}
