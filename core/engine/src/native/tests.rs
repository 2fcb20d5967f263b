use crate::model::{Model, Shape};
use crate::native::NativeModel;
use crate::onnx_file::written::{model, node};
use crate::onnx_file::{Attribute, Data, Node, Tensor};

fn shape(features: usize, outputs: usize) -> Shape {
    let json = format!(
        r#"{{"kind":"multiclass","classes":[{}],"input":"X","output":"Y","features":{features},"outputs":{outputs},"min_rows":1,"chunk_rows":64,"executor":"native"}}"#,
        vec![r#""c""#; outputs].join(",")
    );
    serde_json::from_str(&json).unwrap()
}

fn singles(dims: &[usize], values: &[f32]) -> Tensor {
    Tensor { dims: dims.to_vec(), data: Data::F32(values.to_vec()) }
}

fn doubles(dims: &[usize], values: &[f64]) -> Tensor {
    Tensor { dims: dims.to_vec(), data: Data::F64(values.to_vec()) }
}

fn wholes(dims: &[usize], values: &[i64]) -> Tensor {
    Tensor { dims: dims.to_vec(), data: Data::I64(values.to_vec()) }
}

fn whole(value: i64) -> Attribute {
    Attribute::Whole(value)
}

/// What a graph makes of rows, asked for in one call and row by row: both must have the same bits.
fn run(nodes: &[Node], constants: &[(&str, Tensor)], features: usize, outputs: usize, rows: &[f32]) -> Vec<f32> {
    let native = NativeModel::new(&model(nodes, constants, features, outputs), &shape(features, outputs)).unwrap();
    let mut session = native.open().unwrap();
    let (mut many, mut single) = (Vec::new(), Vec::new());
    session.run(rows, rows.len() / features, &mut many).unwrap();
    rows.chunks(features).for_each(|row| session.run(row, 1, &mut single).unwrap());
    assert_eq!(bits(&many), bits(&single));
    many
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn refusal(nodes: &[Node], constants: &[(&str, Tensor)], features: usize, outputs: usize) -> String {
    NativeModel::new(&model(nodes, constants, features, outputs), &shape(features, outputs)).unwrap_err().to_string()
}

/// Numbers without a pattern, the same in every run.
fn rows(n: usize, features: usize) -> Vec<f32> {
    let mut state = 12345_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    (0..n * features).map(|_| next()).collect()
}

#[test]
fn a_linear_classifier_behind_an_imputer_and_a_scaler() {
    let width = 46;
    let numbers = rows(5, width);
    let (imputed, mean, scale, weights) = (&numbers[..46], &numbers[46..92], &numbers[92..138], &numbers[138..184]);
    let negated: Vec<f32> = weights.iter().map(|weight| -weight).collect();
    let ml = |name: &str| format!("ai.onnx.ml:{name}");
    let nodes = [
        node(
            &ml("Imputer"),
            &["X"],
            &["i"],
            &[("imputed_value_floats", Attribute::Singles(imputed.to_vec())), ("replaced_value_float", Attribute::Single(f32::NAN))],
        ),
        node("Sub", &["i", "mean"], &["s"], &[]),
        node("Div", &["s", "scale"], &["d"], &[]),
        node(
            &ml("LinearClassifier"),
            &["d"],
            &["label", "p"],
            &[
                ("coefficients", Attribute::Singles([negated, weights.to_vec()].concat())),
                ("intercepts", Attribute::Singles(vec![-0.25, 0.25])),
                ("post_transform", Attribute::Text("LOGISTIC".to_owned())),
                ("classlabels_ints", Attribute::Wholes(vec![0, 1])),
            ],
        ),
        node(&ml("Normalizer"), &["p"], &["Y"], &[("norm", Attribute::Text("L1".to_owned()))]),
        node("ZipMap", &["Y"], &["dropped"], &[]),
    ];
    let constants = [("mean", singles(&[1, width], mean)), ("scale", singles(&[1, width], scale))];
    let mut input = rows(203, width);
    input.iter_mut().step_by(7).for_each(|value| *value = f32::NAN);
    let found = run(&nodes, &constants, width, 2, &input);
    for (row, found) in input.chunks(width).zip(found.chunks(2)) {
        let mut sum = 0.0_f64;
        let mut size = 0.0_f64;
        for (((value, imputed), (mean, scale)), weight) in row.iter().zip(imputed).zip(mean.iter().zip(scale)).zip(weights) {
            let value = if value.is_nan() { imputed } else { value };
            let product = f64::from((value - mean) / scale) * f64::from(*weight);
            sum += product;
            size += product.abs();
        }
        let expected = 1.0 / (1.0 + (-(sum + 0.25)).exp());
        // The sum's own error, at most one rounding of the largest partial sum for every column, times the slope of the logistic.
        let error = size * 46.0 * f64::from(f32::EPSILON) * 0.25 + 1e-7;
        assert!((f64::from(found[1]) - expected).abs() <= error, "{} instead of {expected}", found[1]);
        assert!((found[0] + found[1] - 1.0).abs() <= 1e-6);
    }
}

#[test]
fn a_chain_of_products_has_one_order() {
    let (width, outputs) = (13, 3);
    let factors = rows(1, width * outputs);
    let attributes = [
        ("coefficients", Attribute::Singles(factors.clone())),
        ("intercepts", Attribute::Singles(vec![0.5, -1.0, 2.0])),
        ("targets", whole(outputs as i64)),
    ];
    let nodes = [node("ai.onnx.ml:LinearRegressor", &["X"], &["Y"], &attributes)];
    let input = rows(37, width);
    let found = run(&nodes, &[], width, outputs, &input);
    for (row, found) in input.chunks(width).zip(found.chunks(outputs)) {
        for ((factors, found), intercept) in factors.chunks(width).zip(found).zip([0.5, -1.0, 2.0]) {
            let sum = row.iter().zip(factors).fold(0.0_f32, |sum, (value, factor)| value.mul_add(*factor, sum));
            assert_eq!(found.to_bits(), (sum + intercept).to_bits());
        }
    }
}

#[test]
fn products_of_matrices_in_both_precisions_and_both_ways() {
    let matrix = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    let input = [1.0, 10.0, -1.0, 0.5];
    let plain = [node("MatMul", &["X", "m"], &["Y"], &[])];
    let narrow: Vec<f32> = matrix.iter().map(|value| *value as f32).collect();
    assert_eq!(run(&plain, &[("m", singles(&[2, 3], &narrow))], 2, 3, &input), [41.0, 52.0, 63.0, 1.0, 0.5, 0.0]);
    let turned = [node("Gemm", &["X", "m", "c"], &["Y"], &[("transB", whole(1))])];
    let constants = [("m", singles(&[3, 2], &narrow)), ("c", singles(&[3], &[100.0, 200.0, 300.0]))];
    assert_eq!(run(&turned, &constants, 2, 3, &input), [121.0, 243.0, 365.0, 100.0, 199.0, 298.0]);
    let double = [
        node("Cast", &["X"], &["d"], &[("to", whole(11))]),
        node("MatMul", &["d", "m"], &["p"], &[]),
        node("Cast", &["p"], &["Y"], &[("to", whole(1))]),
    ];
    assert_eq!(run(&double, &[("m", doubles(&[2, 3], &matrix))], 2, 3, &input), [41.0, 52.0, 63.0, 1.0, 0.5, 0.0]);
}

#[test]
fn an_isotonic_map_is_interpolated() {
    let nodes = [
        node("Cast", &["X"], &["d"], &[("to", whole(11))]),
        node("Max", &["d", "low"], &["a"], &[]),
        node("Min", &["a", "high"], &["clipped"], &[]),
        node("GreaterOrEqual", &["clipped", "inner"], &["passed"], &[]),
        node("Cast", &["passed"], &["counted"], &[("to", whole(7))]),
        node("ReduceSum", &["counted", "axis"], &["segment"], &[("keepdims", whole(1))]),
        node("Gather", &["x", "segment"], &["start"], &[]),
        node("Gather", &["slopes", "segment"], &["slope"], &[]),
        node("Gather", &["y", "segment"], &["value"], &[]),
        node("Sub", &["clipped", "start"], &["along"], &[]),
        node("Mul", &["along", "slope"], &["up"], &[]),
        node("Add", &["up", "value"], &["late"], &[]),
        node("Sub", &["one", "late"], &["early"], &[]),
        node("Concat", &["early", "late"], &["both"], &[("axis", whole(1))]),
        node("Cast", &["both"], &["Y"], &[("to", whole(1))]),
    ];
    let constants = [
        ("low", doubles(&[1], &[0.0])),
        ("high", doubles(&[1], &[3.0])),
        ("inner", doubles(&[2], &[1.0, 2.0])),
        ("axis", wholes(&[1], &[1])),
        ("x", doubles(&[4], &[0.0, 1.0, 2.0, 3.0])),
        ("slopes", doubles(&[3], &[0.25, 0.0, 0.5])),
        ("y", doubles(&[4], &[0.0, 0.25, 0.25, 0.75])),
        ("one", doubles(&[1], &[1.0])),
    ];
    let found = run(&nodes, &constants, 1, 2, &[-5.0, 0.0, 0.5, 1.0, 1.5, 2.5, 3.0, 9.0]);
    let late = [0.0, 0.0, 0.125, 0.25, 0.25, 0.5, 0.75, 0.75];
    assert_eq!(found.chunks(2).map(|pair| pair[1]).collect::<Vec<_>>(), late);
    assert_eq!(found.chunks(2).map(|pair| pair[0]).collect::<Vec<_>>(), late.map(|late| 1.0 - late));
}

#[test]
fn numbers_are_chosen_compared_and_rounded() {
    let nodes = [
        node("Abs", &["X"], &["a"], &[]),
        node("Floor", &["a"], &["f"], &[]),
        node("Sign", &["X"], &["s"], &[]),
        node("Mul", &["s", "f"], &["whole"], &[]),
        node("Where", &["mask", "whole", "X"], &["Y"], &[]),
    ];
    let constants = [("mask", Tensor { dims: vec![1, 3], data: Data::Bool(vec![true, false, true]) })];
    let found = run(&nodes, &constants, 3, 3, &[-1.5, -1.5, 2.75, f32::NAN, 0.5, f32::INFINITY]);
    assert_eq!(found[..3], [-1.0, -1.5, 2.0]);
    assert!(found[3].is_nan());
    assert_eq!(found[4..], [0.5, f32::INFINITY]);
    let nodes = [
        node("IsNaN", &["X"], &["n"], &[]),
        node("Cast", &["n"], &["c"], &[("to", whole(1))]),
        node("Max", &["X", "zero"], &["m"], &[]),
        node("Concat", &["c", "m"], &["Y"], &[("axis", whole(-1))]),
    ];
    let found = run(&nodes, &[("zero", singles(&[], &[0.0]))], 2, 4, &[-1.0, f32::NAN, 2.0, 3.0]);
    assert_eq!(found[..3], [0.0, 1.0, 0.0]);
    assert!(found[3].is_nan(), "a NaN is not smaller than anything");
    assert_eq!(found[4..], [0.0, 0.0, 2.0, 3.0]);
}

#[test]
fn columns_are_picked_encoded_and_joined() {
    let nodes = [
        node("ai.onnx.ml:ArrayFeatureExtractor", &["X", "first"], &["code"], &[]),
        node("Cast", &["code"], &["whole"], &[("to", whole(7))]),
        node("ai.onnx.ml:OneHotEncoder", &["whole"], &["hot"], &[("cats_int64s", Attribute::Wholes(vec![3, 5, 9])), ("zeros", whole(1))]),
        node("Reshape", &["hot", "flat"], &["columns"], &[]),
        node("Gather", &["X", "last"], &["rest"], &[("axis", whole(1))]),
        node("ai.onnx.ml:Binarizer", &["rest"], &["above"], &[("threshold", Attribute::Single(0.5))]),
        node("Concat", &["columns", "above", "rest"], &["Y"], &[("axis", whole(1))]),
    ];
    let constants = [("first", wholes(&[1], &[0])), ("flat", wholes(&[2], &[-1, 3])), ("last", wholes(&[2], &[2, -2]))];
    let found = run(&nodes, &constants, 3, 7, &[5.0, 0.25, 0.75, 4.0, 8.0, 0.5]);
    assert_eq!(found, [0.0, 1.0, 0.0, 1.0, 0.0, 0.75, 0.25, 0.0, 0.0, 0.0, 0.0, 1.0, 0.5, 8.0]);
    let settings = [
        ("keys_floats", Attribute::Singles(vec![1.0, f32::NAN, 0.0])),
        ("values_floats", Attribute::Singles(vec![10.0, 20.0, 30.0])),
        ("default_float", Attribute::Single(-1.0)),
    ];
    let nodes = [node("ai.onnx.ml:LabelEncoder", &["X"], &["Y"], &settings)];
    assert_eq!(run(&nodes, &[], 2, 2, &[1.0, f32::NAN, -0.0, 7.0]), [10.0, 20.0, 30.0, -1.0]);
}

#[test]
fn rows_are_normalised() {
    let of = |norm: &str| [node("ai.onnx.ml:Normalizer", &["X"], &["Y"], &[("norm", Attribute::Text(norm.to_owned()))])];
    let input = [3.0, -4.0, 0.0, 0.0];
    assert_eq!(run(&of("L2"), &[], 2, 2, &input), [0.6, -0.8, 0.0, 0.0]);
    assert_eq!(run(&of("MAX"), &[], 2, 2, &input), [1.0, -4.0 / 3.0, 0.0, 0.0]);
    assert_eq!(run(&of("L1"), &[], 2, 2, &input), [3.0 / 7.0, -4.0 / 7.0, 0.0, 0.0]);
    let soft = [node("Softmax", &["X"], &["Y"], &[("axis", whole(-1))])];
    let found = run(&soft, &[], 2, 2, &[0.0, 3.0_f32.ln(), 1000.0, 0.0]);
    assert!((found[0] - 0.25).abs() < 1e-7 && (found[1] - 0.75).abs() < 1e-7);
    assert_eq!(found[2..], [1.0, 0.0]);
}

#[test]
fn what_is_not_run_is_named() {
    let of = |op: &str, inputs: &[&str]| [node(op, inputs, &["Y"], &[])];
    let row = [("c", singles(&[1, 3], &[1.0, 2.0, 3.0])), ("down", singles(&[3, 1], &[0.0; 3])), ("d", doubles(&[1], &[1.0]))];
    let cases = [
        (of("ai.onnx.ml:TreeEnsembleRegressor", &["X"]), "TreeEnsembleRegressor of ai.onnx.ml is not an operator that we run"),
        (of("Einsum", &["X"]), "operator Einsum that makes \"Y\": Einsum is not an operator that we run"),
        (of("com.microsoft:Gelu", &["X"]), "Gelu of com.microsoft"),
        (of("Add", &["X", "nowhere"]), "\"nowhere\", which nothing that we run makes"),
        (of("Add", &["X", "down"]), "dimensions [3, 1] is not the same for every row"),
        (of("Add", &["X", "d"]), "differ in type"),
        (of("Add", &["X"]), "it has 1 inputs; we run it with two"),
        (of("Softmax", &["c"]), "is a constant"),
        (of("Pow", &["X", "c"]), "Pow is not an operator"),
        (of("MatMul", &["X", "c"]), "1 rows for 3 columns"),
        (of("ai.onnx.ml:LinearRegressor", &["X"]), "0 coefficients for 1 outputs of 3 columns"),
        (of("ai.onnx.ml:Scaler", &["X"]), "0 numbers for 3 columns"),
    ];
    for (nodes, told) in cases {
        let said = refusal(&nodes, &row, 3, 3);
        assert!(said.contains(told), "{told}: {said}");
    }
    let said = refusal(&[node("Identity", &["X"], &["Z"], &[])], &[], 3, 3);
    assert!(said.contains("makes no \"Y\""), "{said}");
    let said = refusal(&[node("Identity", &["X"], &["Y"], &[])], &[], 3, 2);
    assert!(said.contains("float32 with 3 numbers per row; the description says float32 with 2"), "{said}");
    let again = [node("Abs", &["X"], &["Y"], &[]), node("Neg", &["Y"], &["Y"], &[])];
    assert!(refusal(&again, &[], 3, 3).contains("\"Y\" is made twice"));
    let wide = shape(4, 3);
    let said = NativeModel::new(&model(&of("Identity", &["X"]), &[], 3, 3), &wide).unwrap_err().to_string();
    assert!(said.contains("is not a float32 matrix \"X\" of 4 features"), "{said}");
}

#[test]
fn a_place_outside_of_a_table_is_an_error_at_its_row() {
    let nodes = [
        node("Cast", &["X"], &["place"], &[("to", whole(7))]),
        node("Gather", &["table", "place"], &["d"], &[]),
        node("Cast", &["d"], &["Y"], &[("to", whole(1))]),
    ];
    let table = [("table", doubles(&[2], &[1.5, 2.5]))];
    assert_eq!(run(&nodes, &table, 1, 1, &[0.0, 1.0, -1.0]), [1.5, 2.5, 2.5]);
    let native = NativeModel::new(&model(&nodes, &table, 1, 1), &shape(1, 1)).unwrap();
    let mut session = native.open().unwrap();
    for place in [2.0, -3.0, f32::NAN, 1e30] {
        let said = session.run(&[place], 1, &mut Vec::new()).unwrap_err().to_string();
        assert!(said.contains("of 2"), "{said}");
    }
    let said = session.run(&[1.0, 2.0, 3.0], 2, &mut Vec::new()).unwrap_err().to_string();
    assert!(said.contains("3 values are not 2 rows of 1 features"), "{said}");
}

/// Bytes of a good file changed at random: a model or an error, never a panic, whether read, planned or run. The seed is the round's number.
#[test]
fn damaged_files_are_run_or_refused() {
    let nodes = [
        node("Sub", &["X", "mean"], &["s"], &[]),
        node("MatMul", &["s", "m"], &["p"], &[]),
        node("ai.onnx.ml:Normalizer", &["p"], &["n"], &[("norm", Attribute::Text("L1".to_owned()))]),
        node("Gather", &["n", "columns"], &["Y"], &[("axis", whole(1))]),
    ];
    let matrix = singles(&[3, 2], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let constants = [("mean", singles(&[1, 3], &[1.0, 2.0, 3.0])), ("m", matrix), ("columns", wholes(&[2], &[1, 0]))];
    let good = model(&nodes, &constants, 3, 2);
    let mut run = 0;
    for round in 0..4_000_u32 {
        let mut state = round.wrapping_mul(2_654_435_761).wrapping_add(1);
        let mut next = |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as usize % below
        };
        let mut bytes = good.clone();
        for _ in 0..=next(3) {
            let place = next(bytes.len());
            bytes[place] = next(256) as u8;
        }
        let Ok(native) = NativeModel::new(&bytes, &shape(3, 2)) else { continue };
        let mut out = Vec::new();
        if native.open().unwrap().run(&rows(5, 3), 5, &mut out).is_ok() {
            assert_eq!(out.len(), 10, "round {round}");
            run += 1;
        }
    }
    assert!(run > 100, "{run} damaged files were run: nothing was tried");
}
