//! A plain program, without a notebook: trains a network, measures it, and hands it to other programs.

use fmnist_lib::{
    CLASS_NAMES, FashionMnist, FitConfig, Result, Split, evaluate, fit, one_layer, plot, predict,
};

fn main() -> Result<()> {
    let data = FashionMnist::load()?;
    let (train, validation) = Split::new(0.8, 42).apply(&data.train)?;
    let mut model = one_layer().build(42)?;
    println!("{}", model.summary()?);

    let run = fit(
        &mut model,
        &train,
        &validation,
        FitConfig::default().epochs(5),
    )?;
    println!("test: {}", evaluate(&model, &data.test)?);

    let class = usize::from(predict(&model, &data.test.take(1))?.classes[0]);
    println!("the first test image: {}", CLASS_NAMES[class]);

    plot::curves("1_Layer", &run.history).save("curves.svg")?;
    model.save_keras("one-layer.keras")?;
    model.save_onnx("one-layer.onnx")
}
